// Package fastopen has the parts of TCP Fast Open that do not depend on the rest of a connection [RFC 7413]: the keys
// of a server's cookies, the number of connections whose peers have not proved their addresses, the offer of a client,
// and the outcome of its attempt.
package fastopen

import (
	"encoding/binary"
	"net/netip"
	"time"

	"minitcp/conn/clock"
	"minitcp/conn/siphash"
	"minitcp/conn/wire"
)

// Keys are the keys of a server's cookies. Cookies are made with the primary key, and accepted of both.
type Keys struct {
	epoch  int64 // fixed for keys that do not change
	key    [2]siphash.Key
	backup bool // whether there is a second key
}

const (
	// period is the time for which cookies are made with a derived key. They are accepted for one more period.
	period = 24 * time.Hour
	fixed  = -1

	// cookieLen is the length in bytes of the cookies that Keys make, as on Linux.
	cookieLen = 8
)

// FixedKeys returns keys that do not change: the primary key and, if there are two, a backup key. It returns nil
// without keys. Servers with the same keys, such as those behind a load balancer, accept each other's cookies.
func FixedKeys(keys ...[16]byte) *Keys {
	if len(keys) == 0 {
		return nil
	}
	k := &Keys{epoch: fixed, backup: len(keys) > 1}
	for i := range min(len(keys), len(k.key)) {
		k.key[i] = siphash.NewKey(keys[i])
	}
	return k
}

// DerivedKeys returns the keys in use at now, which depend on a secret and the day. A cookie is valid for one to two
// days, so that a client that has lost its address to another cannot use it for long [RFC 7413 5.1].
func DerivedKeys(secret *[32]byte, now clock.Time) *Keys {
	k := &Keys{epoch: int64(now) / int64(period), backup: true}
	root := siphash.NewKey([16]byte(secret[16:]))
	for i := range k.key {
		var b, key [16]byte
		binary.LittleEndian.PutUint64(b[:], uint64(k.epoch-int64(i)))
		b[9] = 1 // package cookie derives keys of the same secret, with 0 here
		for half := range 2 {
			b[8] = byte(half)
			binary.LittleEndian.PutUint64(key[8*half:], siphash.Sum(&root, b[:]))
		}
		k.key[i] = siphash.NewKey(key)
	}
	return k
}

// Valid reports whether k are the keys in use at now.
func (k *Keys) Valid(now clock.Time) bool {
	return k != nil && (k.epoch == fixed || k.epoch == int64(now)/int64(period))
}

// Cookie returns the option with the cookie for a client.
func (k *Keys) Cookie(kind wire.FastOpenKind, server, client netip.Addr) wire.FastOpen {
	f := wire.FastOpen{Kind: kind, Len: cookieLen}
	binary.BigEndian.PutUint64(f.Cookie[:], mac(&k.key[0], server, client))
	return f
}

// Match is the key that a cookie was made with.
type Match uint8

const (
	NoKey Match = iota // the cookie is not valid
	PrimaryKey
	BackupKey // the client should get a cookie of the primary key
)

// Match returns the key with which the cookie of a client was made.
func (k *Keys) Match(f *wire.FastOpen, server, client netip.Addr) Match {
	if f.Len != cookieLen {
		return NoKey
	}
	switch cookie := binary.BigEndian.Uint64(f.Cookie[:]); {
	case cookie == mac(&k.key[0], server, client):
		return PrimaryKey
	case k.backup && cookie == mac(&k.key[1], server, client):
		return BackupKey
	}
	return NoKey
}

// mac returns the hash of both addresses. It does not include ports: a cookie is valid for all ports of a server [RFC
// 7413 4.1.2].
func mac(k *siphash.Key, server, client netip.Addr) uint64 {
	var b [32]byte
	s, c := server.As16(), client.As16()
	copy(b[:], c[:])
	copy(b[16:], s[:])
	return siphash.Sum(k, b[:])
}
