// Package prometheus holds what Prometheus and Grafana load for Tollgate to what
// a node tells: the alert rules beside it and the dashboard in scripts/grafana.
package prometheus
