// What the coder's loops (coder-wat.ts) and those who call them agree on: where things lie in its memory.

/** Where a module's memory holds what is not a tensor's. */
export const memoryMap = {
  /** Of the coder, four numbers of 32 bits. */
  states: 0,
  /** 32 bits for each symbol of each context. */
  counts: 1_024,
  /** Those of every other number: a place that was just written to is slow to be read. */
  otherCounts: 9_216,
  /** 16 bits each, from which `tables` makes entries of 16 bytes. */
  frequencies: 17_408,
  tables: 24_576,
  /** Of a decoder, one descriptor a plane. */
  planes: 57_344,
  data: 65_536,
};
/** Of a plane to decode; what it stands for is a number of 32 bits at each of these places. */
export const descriptor = { kind: 0, input: 4, symbols: 8, slots: 12, states: 16, bytes: 32 };
/** Of the 32 bits of a symbol in a context: where it starts above, how frequent it is below. */
export const startShift = 16;

/** Of the last context, whose symbols cost nothing: what fills up the last four. */
export const paddingContext = 7;
