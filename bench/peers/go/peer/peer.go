// Package peer is what the Go peers share: their options, the workers, and what
// they print.
package peer

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"log"
	"os"
	"sync"
	"time"
)

// Options are what a peer is told.
type Options struct {
	Host    string
	Port    int
	From    string
	To      string
	Name    string
	Message []byte
	TLS     *tls.Config

	connections, warmUp, count int
}

// Send sends one mail on a connection of its own.
type Send func() error

// Main runs a peer. connect opens a connection, which is used by one goroutine.
func Main(connect func(Options) (Send, error)) {
	options, err := parse()
	if err == nil {
		err = run(options, connect)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func parse() (Options, error) {
	var options Options
	flag.StringVar(&options.Host, "host", "", "the relay")
	flag.IntVar(&options.Port, "port", 0, "its port")
	flag.StringVar(&options.From, "from", "", "reverse-path")
	flag.StringVar(&options.To, "to", "", "forward-path")
	flag.StringVar(&options.Name, "name", "", "what to say in EHLO")
	flag.IntVar(&options.connections, "connections", 0, "connections at a time")
	flag.IntVar(&options.warmUp, "warm-up", 0, "mails on each connection before the clock runs")
	flag.IntVar(&options.count, "count", 0, "mails on each connection")
	ca := flag.String("ca", "", "file with the relay's authority")
	message := flag.String("message", "", "file with the message")
	flag.Parse()

	pem, err := os.ReadFile(*ca)
	if err != nil {
		return options, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return options, errors.New("the authority's file has no certificate")
	}
	options.TLS = &tls.Config{RootCAs: roots, ServerName: options.Host}
	options.Message, err = os.ReadFile(*message)
	return options, err
}

func run(options Options, connect func(Options) (Send, error)) error {
	workers := make([]Send, options.connections)
	for number := range workers {
		send, err := connect(options)
		if err != nil {
			return err
		}
		workers[number] = send
	}
	if _, err := all(workers, options.warmUp); err != nil {
		return err
	}
	started := time.Now()
	times, err := all(workers, options.count)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"seconds":  time.Since(started).Seconds(),
		"times_ms": times,
	})
}

// all lets each worker send so many mails, and tells how long each mail took.
func all(workers []Send, count int) ([]float64, error) {
	var group sync.WaitGroup
	times := make([][]float64, len(workers))
	failures := make([]error, len(workers))
	for number, send := range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			for range count {
				began := time.Now()
				if err := send(); err != nil {
					failures[number] = err
					return
				}
				times[number] = append(times[number], time.Since(began).Seconds()*1000)
			}
		}()
	}
	group.Wait()
	var flat []float64
	for _, each := range times {
		flat = append(flat, each...)
	}
	return flat, errors.Join(failures...)
}
