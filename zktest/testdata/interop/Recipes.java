import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryOneTime;
import org.apache.curator.retry.RetryNTimes;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/** Curator's framework and recipes on one server. Says what it sees; any surprise is an exception. */
public class Recipes {
    static final long WAIT = 90;
    static String hosts;

    static CuratorFramework client(String... auth) {
        CuratorFrameworkFactory.Builder b = CuratorFrameworkFactory.builder().connectString(hosts).sessionTimeoutMs(30000)
            .connectionTimeoutMs(30000).retryPolicy(new RetryNTimes(20, 200));
        if (auth.length > 0) {
            b.authorization("digest", auth[0].getBytes());
        }
        CuratorFramework c = b.build();
        c.start();
        return c;
    }

    interface Call { Object call() throws Exception; }

    static String refused(Call f) {
        try {
            f.call();
        } catch (KeeperException e) {
            return e.code().toString();
        } catch (Exception e) {
            throw new RuntimeException(e);
        }
        throw new RuntimeException("not refused");
    }

    static <T> T next(BlockingQueue<T> q) throws Exception {
        T v = q.poll(WAIT, TimeUnit.SECONDS);
        if (v == null) {
            throw new RuntimeException("nothing happened");
        }
        return v;
    }

    static void gone(CuratorFramework c, String path) throws Exception {
        BlockingQueue<WatchedEvent> q = new LinkedBlockingQueue<>();
        while (c.checkExists().usingWatcher((Watcher) q::add).forPath(path) != null) {
            next(q);
        }
    }

    public static void main(String[] args) throws Exception {
        hosts = args[0];
        CuratorFramework zk = client(), other = client();
        nodes(zk, other);
        watches(zk, other);
        recipes(zk, other);
        reconnect(zk, other);
        other.delete().deletingChildrenIfNeeded().forPath("/c");
        zk.close();
        other.close();
        System.out.println("end");
    }

    static void nodes(CuratorFramework zk, CuratorFramework other) throws Exception {
        Stat stat = new Stat();
        System.out.println("create " + zk.create().storingStatIn(stat).forPath("/c", "1".getBytes()) + " " + stat.getVersion());
        System.out.println("sequence " + zk.create().withMode(CreateMode.PERSISTENT_SEQUENTIAL).forPath("/c/s-") + " "
            + zk.create().creatingParentsIfNeeded().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath("/c/s-"));
        System.out.println("protected " + zk.create().withProtection().withMode(CreateMode.EPHEMERAL).forPath("/c/p").endsWith("-p"));
        System.out.println("errors " + refused(() -> zk.create().forPath("/c")) + " " + refused(() -> zk.getData().forPath("/nope")) + " "
            + refused(() -> zk.delete().forPath("/c")) + " " + refused(() -> zk.setData().withVersion(9).forPath("/c", new byte[0])) + " "
            + refused(() -> zk.create().withTtl(-1).withMode(CreateMode.EPHEMERAL).forPath("/c/s-/x")));
        List<CuratorTransactionResult> done = zk.transaction().forOperations(
            zk.transactionOp().create().forPath("/c/t", "a".getBytes()), zk.transactionOp().setData().forPath("/c/t", "b".getBytes()),
            zk.transactionOp().check().withVersion(1).forPath("/c/t"), zk.transactionOp().create().withMode(CreateMode.CONTAINER).forPath("/c/t/c"),
            zk.transactionOp().delete().forPath("/c/t/c"));
        for (CuratorTransactionResult r : done) {
            System.out.println("transaction " + r.getType() + " " + r.getForPath() + " " + r.getResultPath() + " " + (r.getResultStat() != null));
        }
        System.out.println("transaction " + refused(() -> zk.transaction().forOperations(
            zk.transactionOp().create().forPath("/c/u"), zk.transactionOp().delete().forPath("/c/nope"))) + " " + zk.checkExists().forPath("/c/u"));
        CuratorFramework joe = client("joe:secret");
        joe.create().withACL(ZooDefs.Ids.CREATOR_ALL_ACL).forPath("/c/private", "x".getBytes());
        System.out.println("acl " + refused(() -> zk.getData().forPath("/c/private")) + " " + new String(joe.getData().forPath("/c/private")) + " "
            + joe.getACL().forPath("/c/private") + " " + refused(() -> zk.create().withACL(ZooDefs.Ids.CREATOR_ALL_ACL).forPath("/c/x")));
        joe.delete().forPath("/c/private");
        joe.close();
        ZooKeeper raw = zk.getZookeeperClient().getZooKeeper();
        System.out.println("raw " + raw.getAllChildrenNumber("/c") + " " + raw.getEphemerals("/c/s-") + " " + raw.whoAmI().size() + " " + raw.getConfig(false, null).length);
        System.out.println("multi read " + raw.multi(Arrays.asList(org.apache.zookeeper.Op.getData("/c"), org.apache.zookeeper.Op.getChildren("/nope"))).size());
        System.out.println("container " + zk.create().withMode(CreateMode.CONTAINER).forPath("/c/container"));
        zk.create().forPath("/c/container/child");
        zk.delete().forPath("/c/container/child");
        gone(other, "/c/container");
        System.out.println("ttl " + zk.create().withTtl(600).withMode(CreateMode.PERSISTENT_WITH_TTL).forPath("/c/ttl"));
        gone(other, "/c/ttl");
    }

    static void watches(CuratorFramework zk, CuratorFramework other) throws Exception {
        BlockingQueue<String> events = new LinkedBlockingQueue<>();
        Watcher w = e -> events.add(e.getType() + " " + e.getPath());
        zk.watchers().add().withMode(AddWatchMode.PERSISTENT_RECURSIVE).usingWatcher(w).forPath("/c/w");
        other.create().forPath("/c/w");
        other.create().forPath("/c/w/a");
        other.setData().forPath("/c/w/a", "2".getBytes());
        other.delete().forPath("/c/w/a");
        for (int i = 0; i < 4; i++) {
            System.out.println("recursive " + next(events));
        }
        zk.watchers().remove(w).forPath("/c/w");
        System.out.println("removed " + next(events) + " " + refused(() -> { zk.watchers().remove(w).forPath("/c/w"); return null; }));
        CuratorCache cache = CuratorCache.build(zk, "/c/w");
        cache.listenable().addListener(CuratorCacheListener.builder().forCreates(n -> events.add("created " + n.getPath()))
            .forChanges((o, n) -> events.add("changed " + n.getPath())).forDeletes(n -> events.add("deleted " + n.getPath())).build());
        cache.start();
        System.out.println("cache " + next(events));
        other.create().forPath("/c/w/b");
        System.out.println("cache " + next(events));
        other.setData().forPath("/c/w/b", "3".getBytes());
        System.out.println("cache " + next(events));
        other.delete().forPath("/c/w/b");
        System.out.println("cache " + next(events));
        cache.close();
    }

    static void recipes(CuratorFramework zk, CuratorFramework other) throws Exception {
        InterProcessMutex lock = new InterProcessMutex(zk, "/c/lock"), rival = new InterProcessMutex(other, "/c/lock");
        lock.acquire();
        System.out.println("lock " + rival.acquire(100, TimeUnit.MILLISECONDS));
        lock.release();
        System.out.println("lock " + rival.acquire(WAIT, TimeUnit.SECONDS));
        rival.release();
        InterProcessReadWriteLock rw = new InterProcessReadWriteLock(zk, "/c/rw"), rw2 = new InterProcessReadWriteLock(other, "/c/rw");
        System.out.println("read-write " + rw.readLock().acquire(WAIT, TimeUnit.SECONDS) + " " + rw2.readLock().acquire(WAIT, TimeUnit.SECONDS)
            + " " + new InterProcessReadWriteLock(other, "/c/rw").writeLock().acquire(100, TimeUnit.MILLISECONDS));
        InterProcessSemaphoreV2 sem = new InterProcessSemaphoreV2(zk, "/c/sem", 1);
        System.out.println("semaphore " + (sem.acquire(WAIT, TimeUnit.SECONDS) != null) + " "
            + (new InterProcessSemaphoreV2(other, "/c/sem", 1).acquire(100, TimeUnit.MILLISECONDS) != null));
        LeaderLatch one = new LeaderLatch(zk, "/c/leader", "one"), two = new LeaderLatch(other, "/c/leader", "two");
        one.start();
        one.await(WAIT, TimeUnit.SECONDS);
        two.start();
        System.out.println("leader " + one.hasLeadership() + " " + two.await(100, TimeUnit.MILLISECONDS));
        one.close();
        System.out.println("leader " + two.await(WAIT, TimeUnit.SECONDS));
        two.close();
        DistributedAtomicLong n = new DistributedAtomicLong(zk, "/c/n", new RetryOneTime(1));
        n.add(5L);
        System.out.println("atomic " + new DistributedAtomicLong(other, "/c/n", new RetryOneTime(1)).increment().postValue());
        SharedCount count = new SharedCount(zk, "/c/count", 7);
        count.start();
        count.setCount(8);
        SharedCount seen = new SharedCount(other, "/c/count", 0);
        seen.start();
        System.out.println("count " + seen.getCount());
        count.close();
        seen.close();
        SimpleDistributedQueue queue = new SimpleDistributedQueue(zk, "/c/queue");
        queue.offer("a".getBytes());
        queue.offer("b".getBytes());
        System.out.println("queue " + new String(queue.take()) + new String(queue.peek()));
        DistributedDoubleBarrier[] both = {new DistributedDoubleBarrier(zk, "/c/double", 2), new DistributedDoubleBarrier(other, "/c/double", 2)};
        CountDownLatch through = new CountDownLatch(2);
        for (DistributedDoubleBarrier b : both) {
            new Thread(() -> {
                try {
                    b.enter();
                    b.leave();
                    through.countDown();
                } catch (Exception e) {
                    e.printStackTrace();
                }
            }).start();
        }
        System.out.println("double barrier " + through.await(WAIT, TimeUnit.SECONDS));
        PersistentTtlNode ttl = new PersistentTtlNode(zk, "/c/here", 60000, "x".getBytes());
        ttl.start();
        System.out.println("ttl node " + ttl.waitForInitialCreate(WAIT, TimeUnit.SECONDS));
        ttl.close();
    }

    static void reconnect(CuratorFramework zk, CuratorFramework other) throws Exception {
        PersistentNode node = new PersistentNode(zk, CreateMode.EPHEMERAL, false, "/c/presence", "p".getBytes());
        node.start();
        node.waitForInitialCreate(WAIT, TimeUnit.SECONDS);
        BlockingQueue<ConnectionState> states = new LinkedBlockingQueue<>();
        zk.getConnectionStateListenable().addListener((c, s) -> states.add(s));
        ZooKeeper raw = zk.getZookeeperClient().getZooKeeper();
        long id = raw.getSessionId();
        // The same session, closed elsewhere, is an expired one here.
        CountDownLatch connected = new CountDownLatch(1);
        ZooKeeper twin = new ZooKeeper(hosts, 10000, e -> connected.countDown(), id, raw.getSessionPasswd());
        connected.await(WAIT, TimeUnit.SECONDS);
        twin.close();
        List<String> all = new ArrayList<>();
        for (ConnectionState s = null; s != ConnectionState.RECONNECTED || zk.getZookeeperClient().getZooKeeper().getSessionId() == id;) {
            s = next(states);
            all.add(s.toString());
        }
        System.out.println("expired " + all.get(all.size() - 1) + " " + all.contains("LOST"));
        while (other.checkExists().forPath("/c/presence") == null) {
            Thread.onSpinWait();
        }
        System.out.println("presence " + (other.checkExists().forPath("/c/presence").getEphemeralOwner() == zk.getZookeeperClient().getZooKeeper().getSessionId()));
        node.close();
    }
}
