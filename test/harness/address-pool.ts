import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const claims = ['10.214.0.0/17', '10.214.128.0/17', '10.215.0.0/17', '10.215.128.0/17'];

let claimed: Promise<readonly string[]> | undefined;

/**
 * Flags that give the daemons of this process subnets of their own: two daemons that start at the same moment choose the same one
 * otherwise, since neither sees the other's. Small networks, and many: Docker's own pools are used up by thirty daemons.
 */
export function addressPools(): Promise<readonly string[]> {
  claimed ??= claim();
  return claimed;
}

/** An abstract socket is the claim: the kernel gives it back with the end of the process, however it ends. */
async function claim(): Promise<readonly string[]> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    for (const [index, base] of claims.entries()) {
      if (await holds(`\0gantry-test-pool-${index}`)) {
        return [`base=${base},size=24`, `base=fd21:4a:${index + 1}::/48,size=64`].flatMap(pool => [
          '--default-address-pool',
          pool,
        ]);
      }
    }
    if (performance.now() > deadline) throw new Error('every address pool of the tests is claimed by another process');
    await delay(200);
  }
}

function holds(name: string): Promise<boolean> {
  return new Promise(done => {
    const server = createServer();
    server.once('error', () => done(false));
    server.listen(name, () => done(true));
    server.unref();
  });
}
