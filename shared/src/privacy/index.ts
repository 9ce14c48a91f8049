export { type Clipped, clipToGrid, clipToNorm, gridSteps, l2Norm } from './clip.ts';
export {
  createDiscreteGaussian,
  type DiscreteGaussian,
  noiseSigmaMax,
} from './discrete-gaussian.ts';
export { addLocalNoise, type LocalNoise, noiseMultiplierMax } from './local-noise.ts';
export { createRandomWords, type RandomBytes, type RandomWords } from './random-bytes.ts';
