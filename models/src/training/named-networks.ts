// The door for who only has to know a network by its name: that of `training` brings its trainers along, which would be
// a tenth of what a process reads to start.

export { parametersOf } from './network.ts';
export { type KnownNetwork, knownNetworks, type NetworkName } from './networks.ts';
export { layoutOf } from './trainable.ts';
