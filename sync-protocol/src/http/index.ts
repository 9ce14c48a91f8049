export { createExchangeRoutes } from './exchange-routes.ts';
export { createHttpTransport, joinTransports } from './http-pipe.ts';
export { createHttpServer, type PeerEnvironment } from './http-server.ts';
export { type DeviceEnvironment, deviceOf, identifyDevice } from './identify-device.ts';
export {
  coordinatorNamePrefix,
  type PeerIdentity,
  type PeerSecurity,
  peerIdentity,
} from './peer-identity.ts';
export { respondFailure } from './respond-failure.ts';
