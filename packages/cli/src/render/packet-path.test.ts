import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawPath } from './packet-path.ts';

test('the way of a packet is drawn from top to bottom, with where it is dropped and what to do', () => {
  assert.equal(
    drawPath({
      from: 'web',
      to: 'db:5432',
      protocol: 'tcp',
      steps: [
        { place: 'web eth0', what: 'from 10.0.0.2, on network front' },
        { place: 'table inet x, chain user', what: '1 rules of the user are asked first', verdict: 'unsure' },
        { place: 'chain forward', what: 'nothing else reaches containers', verdict: 'drops' },
      ],
      verdict: 'dropped',
      hint: 'connect both containers to one network',
    }),
    `  ○  web eth0                   from 10.0.0.2, on network front
  │
  ?  table inet x, chain user   1 rules of the user are asked first
  │
  ✗  chain forward              nothing else reaches containers

web to db:5432 by tcp: it is dropped
hint: connect both containers to one network
`,
  );
});
