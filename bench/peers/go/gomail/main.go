// Gomail sends with github.com/wneessen/go-mail.
package main

import (
	"bytes"
	"context"

	"github.com/wneessen/go-mail"

	"posthaste.example/bench/peer"
)

func main() {
	peer.Main(connect)
}

func connect(options peer.Options) (peer.Send, error) {
	client, err := mail.NewClient(options.Host,
		mail.WithPort(options.Port),
		mail.WithHELO(options.Name),
		mail.WithTLSConfig(options.TLS),
		mail.WithTLSPolicy(mail.TLSMandatory),
	)
	if err != nil {
		return nil, err
	}
	if err := client.DialWithContext(context.Background()); err != nil {
		return nil, err
	}
	// It takes messages of its own only.
	message, err := mail.EMLToMsgFromReader(bytes.NewReader(options.Message))
	if err != nil {
		return nil, err
	}
	return func() error { return client.Send(message) }, nil
}
