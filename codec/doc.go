// Package codec converts values to the data of nodes and back.
//
// Recipes that store values of the caller's types, such as a queue's items or a
// configuration, take a [Codec]. Use [JSON] for most values. [Text] and [Bytes] leave
// the data as other programs wrote it. [Int64] and [Int32] store numbers as Curator's
// counters do. [Checked] adds a validation to any of them.
//
//	limits := codec.Checked(codec.JSON[Limits](), Limits.Validate)
package codec
