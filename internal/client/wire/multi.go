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

func (r *MultiRequest) Encode(e *Encoder) {
	for _, op := range r.Ops {
		multiHeader(e, op.Op, false, -1)
		op.Body.Encode(e)
	}
	multiHeader(e, -1, true, -1)
}

func (r *MultiRequest) Decode(d *Decoder) {
	for {
		op, done := Op(d.Int()), d.Bool()
		d.Int()
		if done || d.Err != nil {
			return
		}
		var body Record
		switch op {
		case OpCreate, OpCreate2, OpCreateContainer:
			body = &CreateRequest{}
		case OpCreateTTL:
			body = &CreateRequest{HasTTL: true}
		case OpDelete, OpCheck:
			body = &PathVersion{}
		case OpSetData:
			body = &SetDataRequest{}
		case OpGetData, OpGetChildren:
			body = &PathWatch{}
		default:
			d.fail()
			return
		}
		body.Decode(d)
		r.Ops = append(r.Ops, MultiOp{op, body})
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

func (r *MultiResponse) Encode(e *Encoder) {
	for _, res := range r.Results {
		if res.Op == OpError {
			multiHeader(e, res.Op, false, res.Err)
			e.Int(int32(res.Err))
			continue
		}
		multiHeader(e, res.Op, false, OK)
		switch res.Op {
		case OpCreate:
			e.String(res.Path)
		case OpCreate2, OpCreateContainer, OpCreateTTL:
			e.String(res.Path)
			res.Stat.Encode(e)
		case OpSetData:
			res.Stat.Encode(e)
		case OpGetData:
			e.Bytes(res.Data)
			res.Stat.Encode(e)
		case OpGetChildren:
			e.Strings(res.Children)
		}
	}
	multiHeader(e, -1, true, -1)
}

func (r *MultiResponse) Decode(d *Decoder) {
	for {
		op, done := Op(d.Int()), d.Bool()
		d.Int()
		if done || d.Err != nil {
			return
		}
		res := MultiResult{Op: op}
		switch op {
		case OpError:
			res.Err = Code(d.Int())
		case OpCreate:
			res.Path = d.String()
		case OpCreate2, OpCreateContainer, OpCreateTTL:
			res.Path = d.String()
			res.Stat.Decode(d)
		case OpSetData:
			res.Stat.Decode(d)
		case OpGetData:
			res.Data = d.Bytes()
			res.Stat.Decode(d)
		case OpGetChildren:
			res.Children = d.Strings()
		case OpDelete, OpCheck:
		default:
			d.fail()
			return
		}
		r.Results = append(r.Results, res)
	}
}

func multiHeader(e *Encoder, op Op, done bool, err Code) {
	e.Int(int32(op))
	e.Bool(done)
	e.Int(int32(err))
}
