import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.curator.framework.*;
import org.apache.curator.retry.RetryOneTime;
import org.apache.curator.x.discovery.*;
import org.apache.curator.x.discovery.details.*;
import org.springframework.cloud.zookeeper.discovery.ZookeeperInstance;

/**
 * Curator's ServiceDiscovery, driven by lines on stdin: a command each, answered by
 * a line each.
 */
public class Discovery {
    /** The payload of typed instances. */
    public static class Pay {
        private String a;
        private int n;
        public Pay() {}
        public Pay(String a, int n) { this.a = a; this.n = n; }
        public String getA() { return a; }
        public void setA(String a) { this.a = a; }
        public int getN() { return n; }
        public void setN(int n) { this.n = n; }
        @Override public String toString() { return "Pay(" + a + "," + n + ")"; }
    }

    static String show(ServiceInstance<?> i) {
        Object payload = i.getPayload();
        return i.getName() + " " + i.getId() + " " + i.getAddress() + " " + i.getPort() + " " + i.getSslPort() + " " + payload + " "
            + i.getRegistrationTimeUTC() + " " + i.getServiceType() + " " + i.isEnabled() + " " + i.buildUriSpec();
    }

    public static void main(String[] args) throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.newClient(args[0], 20000, 10000, new RetryOneTime(100));
        client.start();
        String base = "/services";
        Map<String, ServiceCache<Object>> caches = new HashMap<>();
        ServiceDiscovery<Object> discovery = ServiceDiscoveryBuilder.builder(Object.class).client(client).basePath(base).build();
        discovery.start();
        Scanner in = new Scanner(System.in);
        while (in.hasNextLine()) {
            String[] w = in.nextLine().split(" ");
            StringBuilder out = new StringBuilder();
            switch (w[0]) {
            case "register": { // id sslPort payload uriSpec enabled
                ServiceInstanceBuilder<Object> b = ServiceInstance.<Object>builder().name("web").id(w[1]).address("10.1.1.1").port(8080).registrationTimeUTC(1767225600000L).enabled(w[5].equals("true"));
                if (!w[2].equals("-")) b.sslPort(Integer.parseInt(w[2]));
                if (w[3].equals("typed")) b.payload(new Pay("x\u00e9\"\\/<&>\u0001", 7));
                else if (!w[3].equals("-")) b.payload(w[3]);
                if (!w[4].equals("-")) b.uriSpec(new UriSpec(w[4]));
                discovery.registerService(b.build());
                out.append("ok");
                break;
            }
            case "unregister":
                discovery.unregisterService(ServiceInstance.<Object>builder().name("web").id(w[1]).build());
                out.append("ok");
                break;
            case "names":
                out.append(new TreeSet<>(discovery.queryForNames()));
                break;
            case "list": {
                TreeSet<String> all = new TreeSet<>();
                for (ServiceInstance<Object> i : discovery.queryForInstances(w[1])) all.add(show(i));
                out.append(String.join(" | ", all));
                break;
            }
            case "typed": { // a reader whose payload has a type
                ServiceDiscovery<Pay> d = ServiceDiscoveryBuilder.builder(Pay.class).client(client).basePath(base).serializer(new JsonInstanceSerializer<>(Pay.class)).build();
                out.append(show(d.queryForInstance(w[1], w[2])));
                break;
            }
            case "provide": {
                ServiceProvider<Object> p = discovery.serviceProviderBuilder().serviceName(w[1]).build();
                p.start();
                TreeSet<String> seen = new TreeSet<>();
                for (int i = 0; i < 20; i++) {
                    ServiceInstance<Object> s = p.getInstance();
                    if (s != null) seen.add(s.getId());
                }
                p.close();
                out.append(seen);
                break;
            }
            case "watch": { // until the cache shows so many, or the time is over
                ServiceCache<Object> c = caches.get(w[1]);
                if (c == null) {
                    c = discovery.serviceCacheBuilder().name(w[1]).build();
                    c.start();
                    caches.put(w[1], c);
                }
                long end = System.currentTimeMillis() + 20000;
                while (c.getInstances().size() != Integer.parseInt(w[2]) && System.currentTimeMillis() < end) Thread.sleep(10);
                TreeSet<String> ids = new TreeSet<>();
                for (ServiceInstance<Object> i : c.getInstances()) ids.add(i.getId());
                out.append(ids);
                break;
            }
            case "spring": { // as Spring Cloud Zookeeper registers an application
                Map<String, String> metadata = new TreeMap<>();
                metadata.put("instance_status", "UP");
                metadata.put("zone", "b");
                discovery.registerService(ServiceInstance.<Object>builder().name("shop").id(w[1]).address("10.1.1.1").port(80)
                    .payload(new ZookeeperInstance("application-1", "shop", metadata)).uriSpec(new UriSpec("{scheme}://{address}:{port}")).build());
                out.append("ok");
                break;
            }
            case "springread": {
                ServiceDiscovery<ZookeeperInstance> d = ServiceDiscoveryBuilder.builder(ZookeeperInstance.class).client(client).basePath(base).serializer(new JsonInstanceSerializer<>(ZookeeperInstance.class)).build();
                ServiceInstance<ZookeeperInstance> i = d.queryForInstance("shop", w[1]);
                ZookeeperInstance p = i.getPayload();
                out.append(p.getId() + " " + p.getName() + " " + new TreeMap<>(p.getMetadata()) + " " + i.buildUriSpec());
                break;
            }
            case "bytes": { // what each of Curator's two modes would write of an instance
                boolean compatible = w[3].equals("old");
                ServiceInstance<Object> i = discovery.queryForInstance(w[1], w[2]);
                out.append(new String(new JsonInstanceSerializer<>(Object.class, compatible).serialize(i), StandardCharsets.UTF_8));
                break;
            }
            default:
                out.append("what?");
            }
            System.out.println(out);
            System.out.flush();
        }
        for (ServiceCache<Object> c : caches.values()) c.close();
        discovery.close();
        client.close();
    }
}
