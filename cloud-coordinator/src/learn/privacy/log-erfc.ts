// The logarithm of the complementary error function. erfc(30) is no double any more, its logarithm is −904.3: whoever takes
// log(erfc(x)) adds minus infinity where a finite term belongs. Rational approximations of W. J. Cody, "Rational Chebyshev
// Approximations for the Error Function", Math. Comp. 23 (1969), each within a few units of the last place.

import { defined } from '@skerry/shared';

/** Numerators and denominators, from the highest power down. */
const small = {
  over: [
    0.18577770618460315, 3.1611237438705655, 113.86415415105016, 377.485237685302,
    3209.3775891384694,
  ],
  under: [1, 23.601290952344122, 244.02463793444417, 1282.6165260773723, 2844.236833439171],
};
const middle = {
  over: [
    2.1531153547440383e-8, 0.5641884969886701, 8.883149794388377, 66.11919063714163,
    298.6351381974001, 881.952221241769, 1712.0476126340707, 2051.0783778260716, 1230.3393547979972,
  ],
  under: [
    1, 15.744926110709835, 117.6939508913125, 537.1811018620099, 1621.3895745666903,
    3290.7992357334597, 4362.619090143247, 3439.3676741437216, 1230.3393548037495,
  ],
};
const large = {
  over: [
    0.016315387137302097, 0.30532663496123236, 0.36034489994980445, 0.12578172611122926,
    0.016083785148742275, 0.0006587491615298378,
  ],
  under: [
    1, 2.568520192289822, 1.8729528499234673, 0.5279051029514285, 0.06051834131244132,
    0.0023352049762686918,
  ],
};
const middleFrom = 0.46875;
const largeFrom = 4;

/** log(erfc(x)), for any finite x. */
export function logErfc(x: number): number {
  const size = Math.abs(x);
  if (size < middleFrom) return Math.log1p(-x * ratio(small, x * x));
  const upper = Math.log(size < largeFrom ? ratio(middle, size) : asymptotic(size)) - size * size;
  // erfc(−x) = 2 − erfc(x)
  return x > 0 ? upper : Math.LN2 + Math.log1p(-Math.exp(upper) / 2);
}

/** log Φ(x), of the standard normal distribution. */
export const logNormalCdf = (x: number): number => logErfc(-x * Math.SQRT1_2) - Math.LN2;

/** erfc(x)·exp(x²) */
function asymptotic(x: number): number {
  const inverse = 1 / (x * x);
  return (1 / Math.sqrt(Math.PI) - inverse * ratio(large, inverse)) / x;
}

function ratio({ over, under }: typeof small, x: number): number {
  return polynomial(over, x) / polynomial(under, x);
}

function polynomial(coefficients: readonly number[], x: number): number {
  let sum = defined(coefficients[0], 'a coefficient');
  for (let i = 1; i < coefficients.length; i++) sum = sum * x + (coefficients[i] as number);
  return sum;
}
