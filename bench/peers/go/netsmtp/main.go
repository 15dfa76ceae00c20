// Netsmtp sends with net/smtp of Go's standard library.
package main

import (
	"net"
	"net/smtp"
	"strconv"

	"posthaste.example/bench/peer"
)

func main() {
	peer.Main(connect)
}

func connect(options peer.Options) (peer.Send, error) {
	client, err := smtp.Dial(net.JoinHostPort(options.Host, strconv.Itoa(options.Port)))
	if err != nil {
		return nil, err
	}
	if err := client.Hello(options.Name); err != nil {
		return nil, err
	}
	if err := client.StartTLS(options.TLS); err != nil {
		return nil, err
	}
	return func() error {
		if err := client.Mail(options.From); err != nil {
			return err
		}
		if err := client.Rcpt(options.To); err != nil {
			return err
		}
		data, err := client.Data()
		if err != nil {
			return err
		}
		if _, err := data.Write(options.Message); err != nil {
			return err
		}
		return data.Close()
	}, nil
}
