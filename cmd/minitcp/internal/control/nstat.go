//go:build linux

package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// NstatOptions are the options of nstat(8).
type NstatOptions struct {
	Absolute bool // totals, instead of the increments since the last use
	Zeros    bool // counters with the value 0, too
	JSON     bool
}

// PrintNstat writes counters in the format of nstat(8): the name, the value, and the rate per second since the last
// use. Since holds the values at the last use, which was at a time; it is nil if there was none.
func PrintNstat(w io.Writer, d *Daemon, list []Counter, since *Reading, now time.Time, o NstatOptions) error {
	var b bytes.Buffer
	values := make(map[string]uint64)
	if !o.JSON {
		fmt.Fprintf(&b, "#minitcp %s pid %d %s\n", d.Command, d.PID, d.Device)
	}
	for _, c := range list {
		value, rate := c.Value, 0.0
		if !o.Absolute {
			value -= min(value, since.value(c.Name))
		}
		if seconds := since.age(now).Seconds(); seconds > 0 {
			rate = float64(c.Value-min(c.Value, since.value(c.Name))) / seconds
		}
		if value == 0 && !o.Zeros {
			continue
		}
		values[c.Name] = value
		if !o.JSON {
			fmt.Fprintf(&b, "%-32s%-16d%6.1f\n", c.Name, value, rate)
		}
	}
	if o.JSON {
		json.NewEncoder(&b).Encode(map[string]any{"minitcp": values})
	}
	return writePrintable(w, b.Bytes())
}

// Reading holds the counters of a daemon at a time.
type Reading struct {
	Time   time.Time         `json:"time"`
	Values map[string]uint64 `json:"values"`
}

func (r *Reading) value(name string) uint64 {
	if r == nil {
		return 0
	}
	return r.Values[name]
}

func (r *Reading) age(now time.Time) time.Duration {
	if r == nil {
		return 0
	}
	return now.Sub(r.Time)
}

// History holds the last Reading of each daemon. It is a file in [Directory].
type History map[string]*Reading

func (d *Daemon) key() string { return strconv.Itoa(d.PID) + " " + d.Began.Format(time.RFC3339Nano) }

// Of returns the last Reading of a daemon, or nil.
func (h History) Of(d *Daemon) *Reading { return h[d.key()] }

// Set stores a Reading of a daemon.
func (h History) Set(d *Daemon, list []Counter, now time.Time) {
	r := &Reading{now, make(map[string]uint64)}
	for _, c := range list {
		r.Values[c.Name] = c.Value
	}
	h[d.key()] = r
}

const historyFile = "stats.json"

// ReadHistory returns the history, an empty one if there is none or it is damaged.
func ReadHistory() History {
	h := make(History)
	if dir := Directory(); dir != "" {
		if b, err := os.ReadFile(filepath.Join(dir, historyFile)); err != nil || json.Unmarshal(b, &h) != nil {
			return make(History)
		}
	}
	return h
}

// Write replaces the stored history, without processes that have ended.
func (h History) Write() error {
	dir := Directory()
	if dir == "" {
		return nil
	}
	for key := range h {
		pid, _, _ := strings.Cut(key, " ")
		if _, err := os.Stat("/proc/" + pid); errors.Is(err, fs.ErrNotExist) {
			delete(h, key)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	b, err := json.Marshal(h)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, historyFile)
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
