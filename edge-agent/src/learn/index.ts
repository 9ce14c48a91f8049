export {
  type ClientApp,
  type ClientContext,
  type ClientMessage,
  type ClientReply,
  type ClientState,
  changeTrained,
  type EvaluateMessage,
  type Mod,
  type Mods,
  type QueryMessage,
  type SecureMessage,
  type TrainedReply,
  type TrainMessage,
  type TrainMod,
  withMods,
} from './client-app.ts';
export { seedOf } from './draw-examples.ts';
export { countLabels, type Examples, isHeldOut } from './examples.ts';
export { localApp } from './local-app.ts';
export { type ModPorts, modsOf } from './mods/mods-of.ts';
export {
  type ClientDone,
  type ClientPorts,
  type ClientWork,
  runClient,
} from './run-client.ts';
export type { Evaluated, LocalTrainer, Trained, TrainWork } from './trainer.ts';
