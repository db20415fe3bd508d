package wgnet_test

import (
	"crypto/ecdh"
	"encoding/hex"
	"log"
	"net"
)

// publicKey returns the public key of a private one, both in hexadecimal.
func publicKey(private string) string {
	b, err := hex.DecodeString(private)
	if err != nil {
		log.Panic(err)
	}
	key, err := ecdh.X25519().NewPrivateKey(b)
	if err != nil {
		log.Panic(err)
	}
	return hex.EncodeToString(key.PublicKey().Bytes())
}

// freePort returns a UDP port that is free.
func freePort() int {
	c, err := net.ListenPacket("udp", ":0")
	if err != nil {
		log.Panic(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}
