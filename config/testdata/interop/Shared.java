import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.function.Supplier;

import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicInteger;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.cache.NodeCache;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.retry.RetryNTimes;

/** Curator's shared values, told what to do line by line; each line is answered by one. */
public class Shared {
    static String await(String want, Supplier<String> seen) throws InterruptedException {
        for (long end = System.nanoTime() + 60_000_000_000L; System.nanoTime() < end && !seen.get().equals(want); Thread.sleep(5)) {
        }
        return seen.get();
    }

    public static void main(String[] args) throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.newClient(args[0], 4000, 10000, new RetryNTimes(100, 10));
        client.start();
        SharedCount count = null;
        NodeCache cache = null;
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            switch (words[0]) {
            case "count": // PATH SEED
                count = new SharedCount(client, words[1], Integer.parseInt(words[2]));
                count.start();
                System.out.println(count.getCount());
                break;
            case "counts": { // N
                SharedCount c = count;
                System.out.println(await(words[1], () -> "" + c.getCount()));
                break;
            }
            case "try": // N
                System.out.println(count.trySetCount(count.getVersionedValue(), Integer.parseInt(words[1])));
                break;
            case "increment": { // PATH TIMES
                DistributedAtomicInteger n = new DistributedAtomicInteger(client, words[1], new RetryNTimes(1000, 5));
                for (int i = 0; i < Integer.parseInt(words[2]); ) {
                    if (n.increment().succeeded()) {
                        i++;
                    }
                }
                System.out.println("ok");
                break;
            }
            case "long": { // PATH N
                DistributedAtomicLong n = new DistributedAtomicLong(client, words[1], new RetryNTimes(10, 10));
                System.out.println(n.add(Long.parseLong(words[2])).postValue());
                break;
            }
            case "cache": // PATH
                cache = new NodeCache(client, words[1]);
                cache.start(true);
                System.out.println("ok");
                break;
            case "caches": { // TEXT, or nothing
                NodeCache c = cache;
                System.out.println(await(words.length < 2 ? "" : words[1],
                    () -> c.getCurrentData() == null ? "" : new String(c.getCurrentData().getData())));
                break;
            }
            }
        }
        client.close();
    }
}
