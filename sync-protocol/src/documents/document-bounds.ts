// How large a document, and what is said of it, may be: apart from its names, for the engine's thread reads these alone.

/** A peer's own bounds, checked before anything of his is integrated, and on our own edits before they are made. */
export const documentBounds = {
  /** One change as it travels; also bounds what a change can set, for a change is never compressed. */
  changeBytesMax: 40 * 1024,
  changeOpsMax: 4_096,
  /** The whole of a replica as it travels in parts. */
  saveBytesMax: 4 * 1024 * 1024,
  leavesMax: 4_096,
  /** All paths and values of a document together, once expanded. */
  expandedBytesMax: 1024 * 1024,
  valueBytesMax: 32 * 1024,
  pathBytesMax: 1_024,
  pathDepthMax: 32,
  headsMax: 256,
} as const;
