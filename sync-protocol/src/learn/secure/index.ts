export type { ClientPorts, SecurePolicy } from './client-state.ts';
export type {
  Cryptography,
  KeyExchange,
  Keystream,
  RoundSigner,
  RoundVerifier,
} from './cryptography.ts';
export { addMask } from './masked-words.ts';
export {
  dequantiseSum,
  type QuantisedInput,
  quantiseInput,
  type SecureAggregate,
} from './quantise-input.ts';
export {
  addMaskedInput,
  createSum,
  type LeftMask,
  openAggregate,
  type RecoveredMasks,
  recoverMasks,
} from './recover-masks.ts';
export {
  createMemoryOpenedRounds,
  createSecureParticipant,
  type OpenedRounds,
  type SecureParticipant,
} from './secure-participant.ts';
export {
  adversaries,
  decodeSecurePlan,
  encodeSecurePlan,
  gridEncoding,
  noisedEncoding,
  ringBits,
  type SecurePlan,
  type SecureSession,
  secureClientsMax,
  securePlanSchema,
  thresholdOf,
} from './secure-plan.ts';
export {
  answeredClients,
  askedClients,
  awaitedClients,
  closeStage,
  neededClients,
  openSecureRound,
  type ServerAt,
  type ServerPorts,
  type ServerState,
  takeFromClient,
  wordsFor,
} from './secure-server.ts';
export { decodeServerState, encodeServerState } from './stored-round.ts';
