export { observeExits } from './evaluate.ts';
export { exportStages } from './export-stages.ts';
export { gradientError } from './gradient-error.ts';
export { buildImageBundle, type ImageBundle } from './image-bundle.ts';
export type { ImageModel } from './image-model.ts';
export { imageModels } from './image-models.ts';
export { type TrainScope, trainScopes } from './imported/find-trained.ts';
export { type ImportedTrainable, importTrainable } from './imported/import-trainable.ts';
export { openGraphTrainer } from './imported/open-graph-trainer.ts';
export { type LabelledImages, selectImages } from './labelled-images.ts';
export { conv } from './layers/conv.ts';
export { dense } from './layers/dense.ts';
export { flatten } from './layers/flatten.ts';
export type { Layer, ParameterSpec, Shape } from './layers/layer.ts';
export { maxPool } from './layers/max-pool.ts';
export { relu } from './layers/relu.ts';
export { readMnist } from './mnist.ts';
export { type Network, type Parameter, parametersOf, type Segment } from './network.ts';
export { trainableOf } from './network-trainable.ts';
export { type KnownNetwork, knownNetworks, type NetworkName } from './networks.ts';
export { createOnnxTrainer, type FrozenPart, type OnnxTrainerOptions } from './onnx-trainer.ts';
export { planSteps, type StepPlan } from './plan-steps.ts';
export { createProgressBar } from './progress.ts';
export { createSgd, type Sgd, type SgdOptions, type Steps } from './sgd.ts';
export { type ImageSplit, splitImages } from './split-images.ts';
export { openTfjs, type Tfjs, type TfjsBackend } from './tfjs/open-tfjs.ts';
export { createTfjsTrainer, type TfjsTrainerOptions } from './tfjs/tfjs-trainer.ts';
export {
  layoutOf,
  layoutSize,
  type ParameterLayout,
  type Trainable,
  tensorsOf,
  vectorOf,
} from './trainable.ts';
export type {
  BatchGradient,
  Evaluation,
  LabelEvaluation,
  Trained,
  Trainer,
  TrainingExamples,
  TrainTask,
} from './trainer.ts';
export { drawWeights, type Weights } from './weights.ts';
export { writeBundle } from './write-bundle.ts';
