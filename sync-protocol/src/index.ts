export {
  decodeDownBody,
  decodeMessage,
  decodeUpBody,
  encodeBody,
  encodeMessage,
  opBytes,
  opsBytesMax,
} from './codec.ts';
export { countWithin } from './count-within.ts';
export {
  createExchangeHandler,
  type ExchangeHandler,
  type ExchangeHandlerConfig,
  exchangeHandlerDefaults,
  serveExchanges,
} from './handle-exchange.ts';
export {
  type Ack,
  type Answer,
  type DeviceStatus,
  type DocumentChange,
  type DownBody,
  type DownOp,
  deviceStatusSchema,
  documentFrameBytesMax,
  type Escalation,
  type Exchange,
  type Hint,
  type Message,
  protocolVersion,
  type Reply,
  type Telemetry,
  type UpBody,
  type UpOp,
  type WireTensor,
} from './messages.ts';
export {
  type ByKind,
  type ByLane,
  byKind,
  type Lane,
  laneOf,
  lanes,
  opKinds,
  type UpKind,
  upKinds,
} from './op-kinds.ts';
export {
  admit,
  createBudget,
  type Drops,
  type DropsByKind,
  evictableFor,
  fillLanes,
  fits,
  type Held,
  noDrops,
  type OutboxBounds,
  totalOf,
} from './outbox-plan.ts';
export type {
  Accepted,
  CoordinatorStore,
  CoordinatorTransport,
  DeviceStore,
  DeviceTransport,
  DownEffect,
  OpenEscalation,
  OpenOp,
  Suspicion,
  SuspicionRecord,
  SyncPosition,
} from './ports.ts';
export { createSession, type Session, type SessionPorts } from './session.ts';
export type { Link } from './session-state.ts';
export { judge, type Sighting } from './sighting.ts';
export { epochsOf, markKey, takeOps } from './take-ops.ts';
export {
  type Question,
  type Quote,
  questionCharactersMax,
  questionSchema,
  quoteCharactersMax,
  quoteHeadingCharactersMax,
  quoteTitleCharactersMax,
  readQuotes,
  type Said,
  saidCharactersMax,
} from './text/question.ts';
export {
  conversationIdSchema,
  conversationReaderSchema,
  type Forget,
  forgottenTurnsMax,
  turnCitationsMax,
  turnDocumentsMax,
  turnQuestionCharactersMax,
  turnSchema,
  turnsSchema,
  type WireTurn,
} from './text/turn.ts';
export {
  coordinatorMay,
  deviceClientId,
  deviceMay,
  type TopicAction,
  topicsByAction,
} from './topic-access.ts';
export {
  type Channel,
  type DeviceTopics,
  parseTopic,
  presencePayload,
  presenceTopicFilter,
  topicsOf,
  upTopicFilter,
} from './topics.ts';
export { lostQuestion, placeholder } from './unreadable.ts';
