package wire

// MultiOp is one operation of a transaction: a CreateRequest (create, create2,
// createContainer, createTTL), a PathVersion (delete, check), a SetDataRequest,
// or, in a multiRead, a PathWatch (getData, getChildren).
type MultiOp struct {
	Op   Op
	Body Record
}

// MultiRequest is the body of multi and multiRead.
type MultiRequest struct{ Ops []MultiOp }

func (r *MultiRequest) Fields(c *Codec) {
	for i := range r.Ops {
		c.multiHeader(&r.Ops[i].Op, -1, false)
		r.Ops[i].Body.Fields(c)
	}
	for op := (MultiOp{Op: -1}); c.multiHeader(&op.Op, -1, true); {
		switch op.Op {
		case OpCreate, OpCreate2, OpCreateContainer, OpCreateTTL, OpDelete, OpCheck, OpSetData, OpGetData, OpGetChildren:
			op.Body = NewRequest(op.Op)
		default:
			c.fail()
			return
		}
		op.Body.Fields(c)
		r.Ops = append(r.Ops, op)
	}
}

// MultiResult is the result of one operation. If a transaction fails, the Op of
// every result is OpError. Err is OK before the operation that failed, its error code
// for that operation, and CodeRuntimeInconsistency after it.
type MultiResult struct {
	Op       Op
	Err      Code     // of OpError
	Path     string   // of the creates
	Stat     Stat     // of setData, create2, createContainer, createTTL and getData
	Data     []byte   // of getData
	Children []string // of getChildren
}

// MultiResponse is the reply to multi and multiRead.
type MultiResponse struct{ Results []MultiResult }

func (r *MultiResponse) Fields(c *Codec) {
	for i := range r.Results {
		c.multiHeader(&r.Results[i].Op, r.Results[i].Err, false)
		r.Results[i].code(c)
	}
	for end := Op(-1); c.multiHeader(&end, -1, true); {
		res := MultiResult{Op: end}
		res.code(c)
		r.Results = append(r.Results, res)
	}
}

func (r *MultiResult) code(c *Codec) {
	switch r.Op {
	case OpError:
		c.Int((*int32)(&r.Err))
	case OpCreate:
		c.String(&r.Path)
	case OpCreate2, OpCreateContainer, OpCreateTTL:
		c.String(&r.Path)
		r.Stat.Fields(c)
	case OpSetData:
		r.Stat.Fields(c)
	case OpGetData:
		c.Bytes(&r.Data)
		r.Stat.Fields(c)
	case OpGetChildren:
		c.Strings(&r.Children)
	case OpDelete, OpCheck:
	default:
		c.fail()
	}
}

// multiHeader codes the header of an operation or of a result. It reports whether one
// that was decoded has a body after it.
func (c *Codec) multiHeader(op *Op, err Code, last bool) (more bool) {
	c.Int((*int32)(op))
	c.Bool(&last)
	c.Int((*int32)(&err))
	return !last && c.Err == nil
}
