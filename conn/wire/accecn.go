package wire

import "strconv"

// AccECN is the option of Accurate ECN: up to three counters of bytes of data that have arrived with a codepoint, of
// which the option holds the low 24 bits (RFC 9768 3.2.3). The zero value is no option.
type AccECN struct {
	Order  AccECNOrder
	Count  uint8     // fields in the option, 0 to 3
	Fields [3]uint32 // the first Count are valid, in the option's order
}

// AccECNOrder is the order of the fields of an AccECN option.
type AccECNOrder uint8

const (
	AccECNAbsent AccECNOrder = iota // no option
	AccECN0                         // EE0B, ECEB, EE1B; the option's kind is 172
	AccECN1                         // EE1B, ECEB, EE0B; the option's kind is 174
)

// accECNFieldLen is the length in bytes of a field.
const accECNFieldLen = 3

// Len returns the length of the option in a header in bytes, with the NOPs that align it: 0, 4, 8 or 12.
func (a *AccECN) Len() int {
	if a.Order == AccECNAbsent {
		return 0
	}
	return (2 + int(a.Count)*accECNFieldLen + 3) &^ 3
}

// Codepoint returns the codepoint whose bytes field i counts.
func (a *AccECN) Codepoint(i int) ECN {
	switch {
	case i == 1:
		return CE
	case (i == 0) == (a.Order == AccECN0):
		return ECT0
	}
	return ECT1
}

// String returns the names and values of the fields in the option's order, such as "e0b 1 ceb 0". It returns "AccECN"
// for an option without fields, and "" for none.
func (a *AccECN) String() string {
	var b []byte
	for i, v := range a.Fields[:a.Count] {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, [...]string{ECT0: "e0b ", ECT1: "e1b ", CE: "ceb "}[a.Codepoint(i)]...)
		b = strconv.AppendUint(b, uint64(v), 10)
	}
	if len(b) == 0 && a.Order != AccECNAbsent {
		return "AccECN"
	}
	return string(b)
}

// parse reads the value of an option. It takes the whole fields that fit into it, and ignores the rest (RFC 9768
// 3.2.3).
func (a *AccECN) parse(kind byte, v []byte) {
	*a = AccECN{Order: AccECN0, Count: uint8(min(len(v)/accECNFieldLen, len(a.Fields)))}
	if kind == optionAccECN1 {
		a.Order = AccECN1
	}
	for i := range a.Count {
		at := v[i*accECNFieldLen:]
		a.Fields[i] = uint32(at[0])<<16 | uint32(at[1])<<8 | uint32(at[2])
	}
}

// put writes the option to b, and NOPs that make their end aligned to 4 bytes, as Linux does. It returns their length.
func (a *AccECN) put(b []byte) int {
	n := a.Len()
	b[0], b[1] = optionAccECN0, uint8(2+int(a.Count)*accECNFieldLen)
	if a.Order == AccECN1 {
		b[0] = optionAccECN1
	}
	for i, v := range a.Fields[:a.Count] {
		at := b[2+i*accECNFieldLen:]
		at[0], at[1], at[2] = uint8(v>>16), uint8(v>>8), uint8(v)
	}
	for i := int(b[1]); i < n; i++ {
		b[i] = optionNOP
	}
	return n
}
