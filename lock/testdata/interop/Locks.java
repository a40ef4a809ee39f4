import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.locks.InterProcessLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.locks.Revoker;
import org.apache.curator.retry.RetryNTimes;

/**
 * Threads that do as they are told with Curator's locks. Each line is "THREAD COMMAND ARGUMENTS", and is answered with "THREAD ok", "THREAD no"
 * when patience has ended, or the error. Each thread has a client of its own.
 */
public class Locks {
    static String hosts;
    static final Map<String, Actor> actors = new ConcurrentHashMap<>();

    static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    static class Actor extends Thread {
        final BlockingQueue<String[]> commands = new LinkedBlockingQueue<>();
        final Map<String, InterProcessLock> locks = new HashMap<>();
        final Deque<Lease> leases = new ArrayDeque<>();
        final CuratorFramework zk = CuratorFrameworkFactory.newClient(hosts, 10000, 10000, new RetryNTimes(20, 200));

        Actor(String name) {
            super(name);
            setDaemon(true);
            zk.start();
        }

        boolean obey(String command, String[] a) throws Exception {
            switch (command) {
            case "lock": case "read": case "write":
                return get(command, a[2]).acquire(Long.parseLong(a[3]), TimeUnit.MILLISECONDS);
            case "unlock": case "unread": case "unwrite":
                get(command.substring(2), a[2]).release();
                return true;
            case "revocable":
                ((InterProcessMutex) get("lock", a[2])).makeRevocable(lock -> say(getName() + " revoked"));
                return true;
            case "revoke":
                Revoker.attemptRevoke(zk, a[2]);
                return true;
            case "acquire":
                Lease lease = new InterProcessSemaphoreV2(zk, a[2], Integer.parseInt(a[3])).acquire(Long.parseLong(a[4]), TimeUnit.MILLISECONDS);
                if (lease != null) {
                    leases.push(lease);
                }
                return lease != null;
            case "return":
                leases.pop().close();
                return true;
            }
            throw new IllegalArgumentException(command);
        }

        InterProcessLock get(String kind, String path) {
            String key = kind.equals("lock") ? kind + path : path + kind;
            if (!locks.containsKey(key)) {
                if (kind.equals("lock")) {
                    locks.put(key, new InterProcessMutex(zk, path));
                } else {
                    InterProcessReadWriteLock rw = new InterProcessReadWriteLock(zk, path);
                    locks.put(path + "read", rw.readLock());
                    locks.put(path + "write", rw.writeLock());
                }
            }
            return locks.get(key);
        }

        public void run() {
            while (true) {
                try {
                    String[] a = commands.take();
                    say(getName() + (obey(a[1], a) ? " ok" : " no"));
                } catch (InterruptedException e) {
                    return;
                } catch (Exception e) {
                    say(getName() + " " + e);
                }
            }
        }
    }

    public static void main(String[] args) throws Exception {
        hosts = args[0];
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] a = line.split(" ");
            Actor actor = actors.get(a[0]);
            if (actor == null) {
                actors.put(a[0], actor = new Actor(a[0]));
                actor.start();
            }
            actor.commands.add(a);
        }
        for (Actor actor : actors.values()) {
            actor.zk.close();
        }
    }
}
