// Lists of Rényi orders, by whose list it is. An ε is the least over a list: it is true for any list, and larger where the
// best order is missing.

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Opacus, `RDPAccountant.DEFAULT_ALPHAS`: 1.1 … 10.9 by tenths, 12 … 63. */
export const opacusOrders: readonly number[] = [
  ...range(1, 99).map((tenths) => 1 + tenths / 10),
  ...range(12, 63),
];

/** TensorFlow Privacy, `compute_dp_sgd_privacy`. */
export const tensorflowPrivacyOrders: readonly number[] = [
  ...[1.25, 1.5, 1.75, 2, 2.25, 2.5, 3, 3.5, 4, 4.5],
  ...range(5, 63),
  ...[128, 256, 512],
];

/** Where the binomial sum needs no fractional order. */
export const wholeOrders: readonly number[] = range(2, 256);

/** What a run is accounted with: fine where a small fleet's ε is found, and far enough out for a small one. */
export const defaultOrders: readonly number[] = [
  ...[1.01, 1.02, 1.05],
  ...opacusOrders,
  ...[11, 72, 80, 96, 128, 192, 256, 384, 512, 768, 1024],
].sort((a, b) => a - b);
