export { type Clipped, clipToGrid, clipToNorm, gridSteps, l2Norm } from './clip.ts';
export { chargeLocalNoise, epsilonOfRho, type LocalBudget, rhoOf } from './concentrated.ts';
export { type Conversion, conversions, epsilonAtOrder } from './conversions.ts';
export {
  createDiscreteGaussian,
  type DiscreteGaussian,
  noiseSigmaMax,
} from './discrete-gaussian.ts';
export {
  type DistributedNoise,
  distributedNoise,
  noisedShare,
  noiseMultiplierOfSum,
  readNoisedSum,
  shareSigma,
} from './distributed-noise.ts';
export { addLocalNoise, type LocalNoise, noiseMultiplierMax } from './local-noise.ts';
export { createRandomWords, type RandomBytes, type RandomWords } from './random-bytes.ts';
