package caddyauth

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// namespace begins the names of all metrics.
const namespace = "caddy_auth"

// metrics are registered anew with every configuration, whose registry is a new
// one, and keep their values.
var metrics = newCollectors()

type collectors struct {
	storeHealth   *prometheus.GaugeVec
	storeFailures *prometheus.CounterVec
}

func newCollectors() *collectors {
	return &collectors{
		storeHealth: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: "store", Name: "up",
			Help: "Whether the store of a kind answers: 1 or 0.",
		}, []string{"kind"}),
		storeFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "store", Name: "failures_total",
			Help: "Calls of a store that failed or took too long.",
		}, []string{"kind"}),
	}
}

func (c *collectors) storeUp(kind string, up bool) {
	v := 0.0
	if up {
		v = 1
	}
	c.storeHealth.WithLabelValues(kind).Set(v)
}

// register makes the metrics of a configuration's registry.
func (c *collectors) register(to prometheus.Registerer) error {
	for _, collector := range []prometheus.Collector{c.storeHealth, c.storeFailures, idpCollector{}} {
		err := to.Register(collector)
		if known := new(prometheus.AlreadyRegisteredError); err != nil && !errors.As(err, known) {
			return err
		}
	}
	return nil
}

// idpUp has no value for an identity provider that nobody has asked yet.
var idpUp = prometheus.NewDesc(prometheus.BuildFQName(namespace, "idp", "up"),
	"Whether an identity provider answered when it was last asked: 1 or 0.", []string{"provider", "host"}, nil)

// idpCollector reports the providers of the configuration that runs, so that one that
// is not in it anymore has no value.
type idpCollector struct{}

// Describe implements prometheus.Collector.
func (idpCollector) Describe(to chan<- *prometheus.Desc) { to <- idpUp }

// Collect implements prometheus.Collector.
func (idpCollector) Collect(to chan<- prometheus.Metric) {
	app := atWork.latest()
	if app == nil {
		return
	}
	type labels struct{ provider, host string }
	seen := make(map[labels]bool)
	for _, s := range app.sites {
		for _, p := range s.providers {
			h, ok := p.(provider.Health)
			if !ok {
				continue
			}
			state := h.State()
			l := labels{p.Info().ID, state.Host}
			if state.Status == provider.StatusUnknown || seen[l] {
				continue
			}
			seen[l] = true
			up := 0.0
			if state.Status == provider.StatusUp {
				up = 1
			}
			to <- prometheus.MustNewConstMetric(idpUp, prometheus.GaugeValue, up, l.provider, l.host)
		}
	}
}
