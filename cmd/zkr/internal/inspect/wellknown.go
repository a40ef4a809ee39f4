package inspect

import (
	"context"
	"slices"
	"strings"
)

// wellKnown is a node of another system with a fixed name.
type wellKnown struct {
	system string
	// name is the end of its path. A name of one element is only that of the system if
	// beside names a sibling that it then has, or is empty.
	name   string
	beside string
	note   string
	open   bool // there are more such nodes below it
}

// wellKnownNodes are the nodes that are recognized by their names. They may be below
// any path.
var wellKnownNodes = []wellKnown{
	{"Kafka", "brokers/ids", "", "the live brokers", false},
	{"Kafka", "brokers/topics", "", "the topics, with their partitions and leaders", false},
	{"Kafka", "brokers/seqid", "", "the source of generated broker ids", false},
	{"Kafka", "brokers", "controller_epoch", "brokers and topics", true},
	{"Kafka", "controller", "controller_epoch", "the broker that is the controller", false},
	{"Kafka", "controller_epoch", "", "how often the controller has changed", false},
	{"Kafka", "admin", "controller_epoch", "requests of administrators, such as topics to delete", false},
	{"Kafka", "consumers", "controller_epoch", "groups of old consumers", false},
	{"Kafka", "cluster", "controller_epoch", "the id of the cluster", false},
	{"Kafka", "config", "controller_epoch", "settings of topics, clients, users and brokers", false},
	{"Kafka", "feature", "controller_epoch", "the enabled features", false},
	{"Kafka", "isr_change_notification", "", "changes of in-sync replicas that the controller has to read", false},
	{"Kafka", "log_dir_event_notification", "", "failed log directories that the controller has to read", false},
	{"Kafka", "latest_producer_id_block", "", "the last block of producer ids that was given out", false},
	{"Kafka", "kafka-acl", "", "access control lists", false},
	{"Kafka", "kafka-acl-changes", "", "changes of access control lists that brokers have to read", false},

	{"HBase", "master", "hbaseid", "the active master", false},
	{"HBase", "backup-masters", "hbaseid", "the masters that wait to become active", false},
	{"HBase", "rs", "hbaseid", "the live region servers", false},
	{"HBase", "meta-region-server", "hbaseid", "the region server with the table hbase:meta", false},
	{"HBase", "hbaseid", "", "the id of the cluster", false},
	{"HBase", "running", "hbaseid", "exists while the cluster runs", false},
	{"HBase", "draining", "hbaseid", "region servers that get no more regions", false},
	{"HBase", "table", "hbaseid", "the states of tables", false},
	{"HBase", "namespace", "hbaseid", "the namespaces", false},
	{"HBase", "replication", "hbaseid", "peers and queues of replication", false},
	{"HBase", "splitWAL", "hbaseid", "write-ahead logs that are being split", false},
	{"HBase", "region-in-transition", "hbaseid", "regions that are being moved", false},
	{"HBase", "online-snapshot", "hbaseid", "snapshots that are being taken", false},
	{"HBase", "flush-table-proc", "hbaseid", "tables that are being flushed", false},
	{"HBase", "switch", "hbaseid", "whether splits and merges are enabled", false},
	{"HBase", "balancer", "hbaseid", "whether the balancer is enabled", false},

	{"Solr", "live_nodes", "", "the live nodes of SolrCloud", false},
	{"Solr", "overseer_elect/election", "", "the candidates for the overseer, in order", false},
	{"Solr", "overseer_elect/leader", "", "the node that is the overseer", false},
	{"Solr", "overseer_elect", "", "the election of the overseer", true},
	{"Solr", "overseer", "live_nodes", "queues of the overseer", false},
	{"Solr", "collections", "live_nodes", "the collections, with their states and leaders", false},
	{"Solr", "configs", "live_nodes", "the sets of configuration files", false},
	{"Solr", "clusterstate.json", "", "the states of old collections", false},
	{"Solr", "clusterprops.json", "", "settings of the cluster", false},
	{"Solr", "aliases.json", "", "aliases of collections", false},
	{"Solr", "autoscaling.json", "", "rules of autoscaling", false},
	{"Solr", "autoscaling", "live_nodes", "events of autoscaling", false},
	{"Solr", "security.json", "live_nodes", "authentication and authorization", false},
	{"Solr", "solr.xml", "", "the configuration of the nodes", false},

	{"ZooKeeper", "zookeeper/config", "", "the servers of the ensemble", false},
	{"ZooKeeper", "zookeeper/quota", "", "quotas of subtrees", false},
	{"ZooKeeper", "zookeeper", "", "ZooKeeper's own nodes", false},
}

func recognizeWellKnown(n *node) *match {
	for _, w := range wellKnownNodes {
		if !strings.HasSuffix(n.path, "/"+w.name) || w.beside != "" && !slices.Contains(n.siblings, w.beside) {
			continue
		}
		if w.system == "ZooKeeper" && n.path != "/"+w.name {
			continue
		}
		return &match{kind: KindSystem, name: "node of " + w.system, system: w.system, note: w.note, open: w.open, fill: fillWellKnown}
	}
	return nil
}

// fillWellKnown reads the owner of an ephemeral node, the value of another one, and
// ephemeral children as members.
func fillWellKnown(ctx context.Context, f *filler) error {
	if f.node.stat.Ephemeral() {
		return fillFixedNode(ctx, f)
	}
	if len(f.node.data) > 0 {
		if err := fillValue(ctx, f); err != nil {
			return err
		}
	}
	f.out.MemberCount = len(f.node.names)
	if len(f.node.sample) == 0 || !f.node.sampled(isEphemeral) {
		return nil
	}
	if err := fillMembers(ctx, f); err != nil {
		return err
	}
	for i := range f.out.Members {
		f.out.Members[i].address(f.out.Members[i].Node)
	}
	return nil
}
