package caddyauth

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

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
			Namespace: "caddyauth", Subsystem: "store", Name: "up",
			Help: "Whether the store of a kind answers: 1 or 0.",
		}, []string{"kind"}),
		storeFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "caddyauth", Subsystem: "store", Name: "failures_total",
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
	for _, collector := range []prometheus.Collector{c.storeHealth, c.storeFailures} {
		err := to.Register(collector)
		if known := new(prometheus.AlreadyRegisteredError); err != nil && !errors.As(err, known) {
			return err
		}
	}
	return nil
}
