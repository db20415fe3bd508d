//go:build linux

package uring

// The kernel's structures and constants, from include/uapi/linux/io_uring.h.

// params is struct io_uring_params.
type params struct {
	submissions, completions uint32
	flags                    uint32
	_                        [2]uint32
	features                 uint32
	_                        [4]uint32
	sq                       struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32
		_                                                   uint64
	}
}

// submission is struct io_uring_sqe.
type submission struct {
	opcode  uint8
	_       [3]uint8
	fd      int32
	offset  uint64
	address uint64
	length  uint32
	flags   uint32
	data    uint64
	_       [24]byte
}

// completion is struct io_uring_cqe.
type completion struct {
	data   uint64
	result int32
	_      uint32
}

const (
	featureSingleMmap = 1 << 0     // IORING_FEAT_SINGLE_MMAP
	offsetSubmissions = 0x10000000 // IORING_OFF_SQES
	opRead            = 22         // IORING_OP_READ
	enterGetEvents    = 1 << 0     // IORING_ENTER_GETEVENTS
)
