import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.TreeMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.Participant;
import org.apache.curator.retry.RetryNTimes;

/** Candidates of Curator. Answers each line with one: "start ID", "await ID MILLISECONDS", "close ID", "leader", "participants". */
public class Latch {
    public static void main(String[] args) throws Exception {
        String path = args[1];
        CuratorFramework zk = CuratorFrameworkFactory.newClient(args[0], 10000, 10000, new RetryNTimes(20, 200));
        zk.start();
        LeaderLatch viewer = new LeaderLatch(zk, path, "viewer"); // is never started
        Map<String, LeaderLatch> latches = new TreeMap<>();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] a = line.split(" ");
            String answer = "ok";
            switch (a[0]) {
            case "start":
                LeaderLatch latch = new LeaderLatch(zk, path, a[1]);
                latches.put(a[1], latch);
                latch.start();
                break;
            case "await":
                answer = String.valueOf(latches.get(a[1]).await(Long.parseLong(a[2]), TimeUnit.MILLISECONDS));
                break;
            case "close":
                latches.remove(a[1]).close();
                break;
            case "leader":
                answer = viewer.getLeader().getId();
                break;
            case "participants":
                StringBuilder ids = new StringBuilder();
                for (Participant p : viewer.getParticipants()) {
                    ids.append(p.getId()).append(p.isLeader() ? " (leader) " : " ");
                }
                answer = ids.toString().trim();
                break;
            }
            System.out.println(answer.replace("\n", "|"));
        }
        zk.close();
    }
}
