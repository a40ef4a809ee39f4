import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.queue.DistributedDelayQueue;
import org.apache.curator.framework.recipes.queue.DistributedIdQueue;
import org.apache.curator.framework.recipes.queue.DistributedPriorityQueue;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.retry.RetryNTimes;
import org.apache.zookeeper.CreateMode;

/** Makes nodes with each of Curator's recipes, prints "ready", and keeps them until its input ends. */
public class Nodes {
    static class Text implements QueueSerializer<String> {
        public byte[] serialize(String item) {
            return item.getBytes();
        }

        public String deserialize(byte[] bytes) {
            return new String(bytes);
        }
    }

    static QueueBuilder<String> queue(CuratorFramework zk, String path) {
        return QueueBuilder.builder(zk, null, new Text(), path);
    }

    public static void main(String[] args) throws Exception {
        CuratorFramework zk = CuratorFrameworkFactory.newClient(args[0], 30000, 10000, new RetryNTimes(20, 200));
        zk.start();
        new InterProcessMutex(zk, "/c/mutex").acquire();
        new InterProcessReadWriteLock(zk, "/c/rw").readLock().acquire();
        new InterProcessSemaphoreV2(zk, "/c/semaphore", 2).acquire();
        LeaderLatch latch = new LeaderLatch(zk, "/c/latch", "me");
        latch.start();
        latch.await();
        LeaderSelector selector = new LeaderSelector(zk, "/c/selector", new LeaderSelectorListenerAdapter() {
            public void takeLeadership(CuratorFramework client) throws InterruptedException {
                Thread.currentThread().join();
            }
        });
        selector.start();
        while (!selector.hasLeadership()) {
            Thread.sleep(10);
        }
        new DistributedBarrier(zk, "/c/barrier").setBarrier();
        new DistributedDoubleBarrier(zk, "/c/double", 1).enter();
        try (DistributedQueue<String> q = queue(zk, "/c/queue").buildQueue()) {
            q.start();
            q.put("x");
            q.flushPuts(10, java.util.concurrent.TimeUnit.SECONDS);
        }
        try (DistributedPriorityQueue<String> q = queue(zk, "/c/priority").buildPriorityQueue(0)) {
            q.start();
            q.put("x", 5);
            q.flushPuts(10, java.util.concurrent.TimeUnit.SECONDS);
        }
        try (DistributedDelayQueue<String> q = queue(zk, "/c/delay").buildDelayQueue()) {
            q.start();
            q.put("x", System.currentTimeMillis() + 3600000);
            q.flushPuts(10, java.util.concurrent.TimeUnit.SECONDS);
        }
        try (DistributedIdQueue<String> q = queue(zk, "/c/id").buildIdQueue()) {
            q.start();
            q.put("x", "an id");
            q.flushPuts(10, java.util.concurrent.TimeUnit.SECONDS);
        }
        new SimpleDistributedQueue(zk, "/c/simple").offer("x".getBytes());
        new DistributedAtomicLong(zk, "/c/long", new RetryNTimes(1, 1)).increment();
        SharedCount count = new SharedCount(zk, "/c/count", 5);
        count.start();
        List<PersistentNode> nodes = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            PersistentNode n = new PersistentNode(zk, CreateMode.EPHEMERAL_SEQUENTIAL, true, "/c/nodes/n", "x".getBytes());
            n.start();
            n.waitForInitialCreate(10, java.util.concurrent.TimeUnit.SECONDS);
            nodes.add(n);
        }
        GroupMember member = new GroupMember(zk, "/c/group", "member", "x".getBytes());
        member.start();
        while (zk.checkExists().forPath("/c/group/member") == null) {
            Thread.sleep(10);
        }
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        in.readLine();
        System.out.println("ready");
        System.out.flush();
        in.readLine();
        Runtime.getRuntime().halt(0);
    }
}
