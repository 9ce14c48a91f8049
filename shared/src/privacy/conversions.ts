// From a Rényi divergence of order α to an (ε, δ). Two conversions are in use, both true, and the literature's ε mean now one,
// now the other: so the name of the one that was used goes with each ε.

const formulas = {
  /** Mironov, arXiv 1702.07476, proposition 3: what older ε mean. */
  mironov: (rdp: number, order: number, delta: number): number =>
    rdp - Math.log(delta) / (order - 1),
  /** Canonne, Kamath and Steinke, arXiv 2004.00010, proposition 12; Balle and others, AISTATS 2020, theorem 21. Never larger. */
  'canonne-kamath-steinke': (rdp: number, order: number, delta: number): number =>
    rdp + Math.log1p(-1 / order) - (Math.log(delta) + Math.log(order)) / (order - 1),
};
export type Conversion = keyof typeof formulas;
export const conversions = ['mironov', 'canonne-kamath-steinke'] as const satisfies Conversion[];

/** ε at one order; no less than nought. */
export const epsilonAtOrder = (
  conversion: Conversion,
  rdp: number,
  order: number,
  delta: number,
): number => Math.max(0, formulas[conversion](rdp, order, delta));
