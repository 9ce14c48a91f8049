// The document against what the apps serve, and against OpenAPI's own schema.

import { Validator } from '@seriousme/openapi-schema-validator';
import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import { createApp } from '../app.ts';
import { collectionRoutes } from '../collections.ts';
import { learnRoutes } from '../learn.ts';
import { registryRoutes } from '../registry.ts';
import { rolloutRoutes } from '../rollouts.ts';
import { describeOperatorApi, operatorRoutes } from './operator-api.ts';

/** Routes are only listed here: nobody calls them. */
const none = {} as never;
const apps = new Hono()
  .route('/', createApp({ consoleFiles: [], openInference: none, text: none } as never))
  .route('/v1', rolloutRoutes({ rollouts: none, devices: none, clock: none, log: none }))
  .route('/v1', learnRoutes({ learning: none, clock: none, log: none }))
  .route('/v1', collectionRoutes({ collections: none }))
  .route('/v1/registry', registryRoutes(none, none));

/** Standards of their own, or middleware. */
const elsewhere = /^\/v2|^\/metrics$|^\/v1\/(chat\/|completions|embeddings|models)|\*$/;

describe('the OpenAPI document', () => {
  it('[OPS13] describes each route that is served, and no other', () => {
    const served = apps.routes
      .filter(({ path }) => !elsewhere.test(path))
      .flatMap(({ method, path }) => {
        const methods = method === 'ALL' ? ['GET', 'HEAD', 'PUT'] : [method];
        return methods.map((each) => `${each} ${path.length > 1 ? path.replace(/\/$/, '') : path}`);
      });
    const described = operatorRoutes.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    expect(described.toSorted()).toEqual([...new Set(served)].sort());
    expect(described.length).toBeGreaterThan(30);
  });

  it('[OPS13] is valid by OpenAPI 3.1’s own schema, and every name in it leads somewhere', async () => {
    const document = describeOperatorApi();
    const validator = new Validator();
    expect(await validator.validate(structuredClone(document))).toMatchObject({ valid: true });
    expect(validator.version).toBe('3.1');
    const text = JSON.stringify(document);
    const names = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, n]) => n);
    const { schemas } = document['components'] as { schemas: Record<string, unknown> };
    expect(new Set(names)).toEqual(new Set(Object.keys(schemas)));
    const ids = [...text.matchAll(/"operationId":"([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(operatorRoutes.length);
  });

  it('[OPS13] says of a plan what the route checks: the same bounds and the same defaults', () => {
    const { components } = describeOperatorApi() as {
      components: { schemas: { RolloutPlan: Record<string, unknown> } };
    };
    expect(components.schemas.RolloutPlan).toMatchObject({
      additionalProperties: false,
      required: expect.arrayContaining(['id', 'model', 'version', 'waves']),
      properties: {
        waves: { minItems: 1, maxItems: 64 },
        gate: { properties: { delta: { default: 0.05, maximum: 0.2 } } },
      },
    });
  });
});
