export { type OpenAiFlavour, openAiFlavours, startOpenAiMock } from './mock-openai.ts';
export {
  type MockMode,
  type MockReply,
  type MockRequest,
  type MockServer,
  startMock,
} from './mock-server.ts';
export { runtimeContract } from './runtime-contract.ts';
export { writeSampleBundle } from './sample-bundle.ts';
export { writeSampleCascade } from './sample-cascade.ts';
export { contractBodyBytesMax, textRoutesContract } from './text-routes-contract.ts';
export { textServerContract } from './text-server-contract.ts';
export { trainerContract } from './trainer-contract.ts';
