"""Attribution: what every node does to an objective, estimated and measured."""
