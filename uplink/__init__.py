"""The uplink: a node's journal, sent to the broker and the recorder of the cloud."""
