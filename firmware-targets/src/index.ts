export { type Fit, fit, type Needs, type Reason } from './fit.ts';
export {
  agentConfigOf,
  parseTarget,
  type Target,
  targetSchema,
} from './target.ts';
export { targets } from './targets.ts';
