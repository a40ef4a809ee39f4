import java.io.File;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.server.DataTree;
import org.apache.zookeeper.server.persistence.FileTxnSnapLog;

/** Writes the data folder of a server on which many children of /d have been created. */
public class Counter {
    public static void main(String[] args) throws Exception {
        DataTree tree = new DataTree();
        tree.createNode("/d", new byte[0], Ids.OPEN_ACL_UNSAFE, 0, -1, 1, 1);
        tree.getNode("/d").stat.setCversion(Integer.parseInt(args[1]));
        for (String path : new String[] {"/lock", "/queue", "/queue/items", "/simple", "/pool", "/pool/tasks", "/pool/workers", "/pool/assign",
                "/election", "/semaphore", "/semaphore/locks", "/semaphore/leases"}) {
            tree.createNode(path, new byte[0], Ids.OPEN_ACL_UNSAFE, 0, -1, 1, 1);
        }
        for (String path : new String[] {"/lock", "/queue/items", "/simple", "/pool/tasks", "/election", "/semaphore/locks", "/semaphore/leases"}) {
            tree.getNode(path).stat.setCversion(Integer.parseInt(args[1]));
        }
        tree.lastProcessedZxid = 1;
        File dir = new File(args[0]);
        new FileTxnSnapLog(dir, dir).save(tree, new ConcurrentHashMap<>(), true);
        System.exit(0);
    }
}
