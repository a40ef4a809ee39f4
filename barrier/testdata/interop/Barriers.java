import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.retry.RetryNTimes;

/** Curator's barriers, told what to do line by line; each line is answered by one. */
public class Barriers {
    interface Step { Object run() throws Exception; }

    /** Begins a step in the background. */
    static CompletableFuture<Object> begin(Step step) {
        return CompletableFuture.supplyAsync(() -> {
            try {
                return step.run();
            } catch (Exception e) {
                return e;
            }
        });
    }

    public static void main(String[] args) throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.newClient(args[0], 4000, 10000, new RetryNTimes(100, 10));
        client.start();
        DistributedBarrier barrier = null;
        DistributedDoubleBarrier both = null;
        CompletableFuture<Object> step = null;
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            Object answer = "ok";
            switch (words[0]) {
            case "barrier": // PATH
                barrier = new DistributedBarrier(client, words[1]);
                break;
            case "set":
                barrier.setBarrier();
                break;
            case "remove":
                barrier.removeBarrier();
                break;
            case "wait": {
                DistributedBarrier b = barrier;
                step = begin(() -> b.waitOnBarrier(60, TimeUnit.SECONDS));
                break;
            }
            case "double": // PATH N
                both = new DistributedDoubleBarrier(client, words[1], Integer.parseInt(words[2]));
                break;
            case "enter": {
                DistributedDoubleBarrier d = both;
                step = begin(() -> d.enter(60, TimeUnit.SECONDS));
                break;
            }
            case "leave": {
                DistributedDoubleBarrier d = both;
                step = begin(() -> d.leave(60, TimeUnit.SECONDS));
                break;
            }
            case "pending": // whether the step goes on
                answer = !step.isDone();
                break;
            case "result": // of the step
                answer = step.get();
                break;
            }
            System.out.println(answer);
        }
        client.close();
    }
}
