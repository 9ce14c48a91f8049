// Bounds that more than one package must agree on. Each name ends in its unit.

/** An encoded Exchange or Reply: AWS IoT Core caps a message at 128 KiB, and headers need room. */
export const envelopeBytesMax = 100_000;
/** Ops in one Exchange, in either direction. */
export const exchangeOpsMax = 256;
/** A class's label, which a device's status carries too. */
export const labelCharsMax = 256;
/** A tensor's rank, and its elements. */
export const tensorRankMax = 8;
export const tensorElementsMax = 16_777_216;
/** How long somebody may wait for an answer, however they ask; a timer takes no more than 2³¹ ms. */
export const requestDeadlineMsMax = 600_000;
