import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.queue.DistributedDelayQueue;
import org.apache.curator.framework.recipes.queue.DistributedPriorityQueue;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.MultiItem;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueConsumer;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryNTimes;

/**
 * Curator's queues, of every kind at the same time: it puts items into each, and takes items out of each and says which, until its input
 * ends.
 */
public class Queues {
    static class Text implements QueueSerializer<String> {
        public byte[] serialize(String s) { return s.getBytes(StandardCharsets.UTF_8); }
        public String deserialize(byte[] b) { return new String(b, StandardCharsets.UTF_8); }
    }

    static class Consumer implements QueueConsumer<String> {
        final String kind;
        Consumer(String kind) { this.kind = kind; }
        public void consumeMessage(String s) { say(kind, s); }
        public void stateChanged(CuratorFramework c, ConnectionState s) { }
    }

    static synchronized void say(String kind, String item) { System.out.println(kind + " " + item); }

    static QueueBuilder<String> builder(CuratorFramework c, String kind) {
        return QueueBuilder.builder(c, new Consumer(kind), new Text(), "/" + kind);
    }

    public static void main(String[] args) throws Exception {
        int n = Integer.parseInt(args[0]);
        CuratorFramework c = CuratorFrameworkFactory.builder().connectString(args[1]).sessionTimeoutMs(10000).connectionTimeoutMs(10000)
            .retryPolicy(new RetryNTimes(20, 200)).build();
        c.start();
        DistributedQueue<String> plain = builder(c, "plain").buildQueue(), locks = builder(c, "locks").lockPath("/locks-locks").buildQueue();
        DistributedPriorityQueue<String> priority = builder(c, "priority").buildPriorityQueue(0);
        DistributedPriorityQueue<String> priorityLocks = builder(c, "priority-locks").lockPath("/priority-locks-locks").buildPriorityQueue(0);
        DistributedDelayQueue<String> delay = builder(c, "delay").buildDelayQueue();
        SimpleDistributedQueue simple = new SimpleDistributedQueue(c, "/simple");
        plain.start();
        locks.start();
        priority.start();
        priorityLocks.start();
        delay.start();
        Thread taker = new Thread(() -> {
            try {
                while (true) {
                    say("simple", new String(simple.take(), StandardCharsets.UTF_8));
                }
            } catch (Exception e) {
                return; // the end
            }
        });
        taker.start();
        for (int i = 0; i < n; i++) {
            plain.put("theirs" + i);
            locks.put("theirs" + i);
            priority.put("theirs" + i, i % 3 - 1);
            priorityLocks.put("theirs" + i, i % 3 - 1);
            delay.put("theirs" + i, System.currentTimeMillis() + i % 50);
            simple.offer(("theirs" + i).getBytes(StandardCharsets.UTF_8));
        }
        for (DistributedQueue<String> q : List.of(plain, locks)) {
            List<String> many = new ArrayList<>();
            for (int i = n; i < n + 5; i++) {
                many.add("theirs" + i);
            }
            Iterator<String> it = many.iterator();
            q.putMulti(() -> it.hasNext() ? it.next() : null);
        }
        plain.flushPuts(10, TimeUnit.SECONDS);
        System.out.println("put");
        while (System.in.read() >= 0) { }
        taker.interrupt();
        taker.join();
        plain.close();
        locks.close();
        priority.close();
        priorityLocks.close();
        delay.close();
        c.close();
        System.out.println("end");
    }
}
