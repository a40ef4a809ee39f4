import java.io.BufferedReader;
import java.io.InputStreamReader;

import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.retry.RetryNTimes;

/** Curator's counter: answers each line "PATH TIMES" with the numbers it has come to. */
public class Counter {
    public static void main(String[] args) throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.newClient(args[0], 4000, 10000, new RetryNTimes(100, 10));
        client.start();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            DistributedAtomicLong n = new DistributedAtomicLong(client, words[0], new RetryNTimes(1000, 5));
            StringBuilder numbers = new StringBuilder();
            for (int left = Integer.parseInt(words[1]); left > 0;) {
                AtomicValue<Long> value = n.increment();
                if (value.succeeded()) {
                    numbers.append(value.postValue()).append(' ');
                    left--;
                }
            }
            System.out.println(numbers.toString().trim());
        }
        client.close();
    }
}
