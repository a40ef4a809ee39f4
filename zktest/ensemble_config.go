package zktest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// jvmFlags are for several small servers on few processors: they start quickly and use
// little memory.
var jvmFlags = []string{"-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"}

// logback is the configuration of the official archive's logger, which by default logs at
// debug level.
const logback = `<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{HH:mm:ss.SSS} [%thread] %-5level %logger{0} - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
</configuration>
`

func (n *Node) configPath() string  { return filepath.Join(n.dir, "zoo.cfg") }
func (n *Node) dataDir() string     { return filepath.Join(n.dir, "data") }
func (n *Node) logbackPath() string { return filepath.Join(n.dir, "logback.xml") }

// configure writes the server's configuration files.
func (n *Node) configure() error {
	if err := os.MkdirAll(n.dataDir(), 0o755); err != nil {
		return err
	}
	for path, content := range map[string]string{
		n.configPath():                     n.config(),
		n.logbackPath():                    logback,
		filepath.Join(n.dataDir(), "myid"): strconv.Itoa(n.id) + "\n",
	} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// config returns the content of the server's zoo.cfg. Unless the ports are fixed, each
// server reaches its peers through separate proxies, so the addresses of the servers
// differ in each file. ZooKeeper accepts that while reconfiguration is off, which is its
// default.
func (n *Node) config() string {
	o := n.cluster.opts
	host, port, _ := net.SplitHostPort(n.client)
	lines := []setting{
		{"tickTime", millis(o.tick)},
		{"initLimit", strconv.Itoa(o.initLimit)},
		{"syncLimit", strconv.Itoa(o.syncLimit)},
		{"dataDir", property(filepath.ToSlash(n.dataDir()))},
		{"clientPortAddress", host},
		{"clientPort", port},
		{"maxClientCnxns", "0"},
		{"admin.enableServer", "false"},
		{"4lw.commands.whitelist", "*"},
		{"maxSessionTimeout", millis(o.maxSession)},
	}
	if o.minSession != 0 {
		lines = append(lines, setting{"minSessionTimeout", millis(o.minSession)})
	}
	if len(n.cluster.nodes) > 1 {
		lines = append(lines, n.ensemble()...)
	}
	var b strings.Builder
	for _, l := range append(lines, o.config...) {
		fmt.Fprintf(&b, "%s=%s\n", l.key, l.value)
	}
	return b.String()
}

// ensemble returns the lines with the addresses of the servers.
func (n *Node) ensemble() (lines []setting) {
	proxied := make(map[*Node]*peerLink)
	for _, l := range n.cluster.links {
		if l.from == n {
			proxied[l.to] = l
		}
	}
	for _, other := range n.cluster.nodes {
		quorum, election := other.quorum, other.election
		if l := proxied[other]; l != nil {
			quorum, election = l.quorum.Addr(), l.election.Addr()
		}
		lines = append(lines, serverLine(other.id, quorum, election))
	}
	return lines
}

// property escapes a value for a Java properties file.
func property(value string) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(value)) {
		switch {
		case unit == '\\':
			b.WriteString(`\\`)
		case unit < ' ' || unit > '~':
			fmt.Fprintf(&b, `\u%04x`, unit)
		default:
			b.WriteByte(byte(unit))
		}
	}
	return b.String()
}

func serverLine(id int, quorum, election string) setting {
	_, port, _ := net.SplitHostPort(election)
	return setting{"server." + strconv.Itoa(id), quorum + ":" + port}
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// command returns the command that runs the server.
func (n *Node) command() *exec.Cmd {
	args := append(append([]string(nil), jvmFlags...), n.cluster.opts.jvmFlags...)
	for _, p := range n.cluster.opts.properties {
		args = append(args, "-D"+p.key+"="+p.value)
	}
	args = append(args, "-Dlogback.configurationFile="+n.logbackPath(), "-cp", n.cluster.classPath,
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", n.configPath())
	cmd := exec.Command(n.cluster.java, args...)
	cmd.Dir = n.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8") // otherwise Java reads file names as ASCII
	return cmd
}
