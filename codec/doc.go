// Package codec turns values into the data of nodes and back.
//
// Recipes that carry values of the user's own types, a queue's items or a
// configuration, take a [Codec]. [JSON] serves for most; [Text] and [Bytes] leave
// the data as other programs wrote it; [Int64] and [Int32] are how Curator stores
// its counters. [Checked] puts a validation behind any of them.
//
//	limits := codec.Checked(codec.JSON[Limits](), Limits.Validate)
package codec
