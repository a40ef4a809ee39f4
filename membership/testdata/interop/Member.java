import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.retry.RetryOneTime;

/** Curator's GroupMember, told what to do line by line; each line is answered by one. */
public class Member {
    public static void main(String[] args) throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.newClient(args[0], 4000, 10000, new RetryOneTime(100));
        client.start();
        GroupMember member = null;
        String id = "";
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ", 2);
            switch (words[0]) {
            case "join": // PATH ID DATA
                String[] what = words[1].split(" ");
                id = what[1];
                member = new GroupMember(client, what[0], id, what[2].getBytes());
                member.start();
                System.out.println("ok");
                break;
            case "set":
                member.setThisData(words[1].getBytes());
                System.out.println("ok");
                break;
            case "await": // what the members shall be
                String seen = "";
                for (long end = System.nanoTime() + 60_000_000_000L; System.nanoTime() < end; Thread.sleep(10)) {
                    seen = new TreeMap<>(member.getCurrentMembers()).entrySet().stream()
                        .map(e -> e.getKey() + "=" + new String(e.getValue())).collect(Collectors.joining(" "));
                    if (seen.equals(words[1])) {
                        break;
                    }
                }
                System.out.println(seen);
                break;
            case "leave":
                member.close();
                System.out.println("ok");
                break;
            }
        }
        client.close();
    }
}
