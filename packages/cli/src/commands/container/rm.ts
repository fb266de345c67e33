import { ApiError } from '@gantry/client';
import { atLeast, type Command } from '../../command.ts';
import { forEach } from '../../each.ts';
import { ExitError } from '../../errors.ts';
import { toggle } from '../../flags/flag.ts';

export const command: Command = {
  usage: 'CONTAINER [CONTAINER...]',
  arity: atLeast(1),
  flags: [
    { name: 'force', short: 'f', kind: toggle, help: 'Force the removal of a running container (uses SIGKILL)' },
    { name: 'link', short: 'l', kind: toggle, help: 'Remove the specified link' },
    { name: 'volumes', short: 'v', kind: toggle, help: 'Remove anonymous volumes associated with the container' },
  ],
  async run(context, values) {
    const engine = await context.engine();
    const force = values.on('force');
    const remove = async (name: string): Promise<boolean> => {
      const ref = name.replace(/^\/+/, '');
      if (ref === '') throw new ExitError(1, 'container name cannot be empty');
      try {
        await engine.containers.remove(ref, { force, link: values.on('link'), volumes: values.on('volumes') });
        return true;
      } catch (error) {
        // With --force a container that is gone already is what was wanted.
        if (!(force && error instanceof ApiError && error.status === 404)) throw error;
        context.stderr.write(`Error response from daemon: ${error.message}\n`);
        return false;
      }
    };
    return forEach(context, values.args, remove, (name, removed) => (removed === true ? name : undefined));
  },
};
