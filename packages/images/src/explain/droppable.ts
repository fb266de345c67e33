/** Files that programs do not need at run time, by where they lie, and what an instruction can do about it. */
export type Droppable = { readonly what: string; readonly remedy: string; readonly pattern: RegExp };

export const DROPPABLE: readonly Droppable[] = [
  {
    what: 'package lists of apt',
    remedy: 'end the RUN of apt-get with: rm -rf /var/lib/apt/lists/*',
    pattern: /^var\/lib\/apt\/lists\/./,
  },
  {
    what: 'downloaded packages',
    remedy: 'apt-get clean, apk add --no-cache, or dnf clean all in the same RUN',
    pattern: /^var\/cache\/(apt|apk|yum|dnf|pacman)\/./,
  },
  {
    what: 'caches of package managers of languages',
    remedy: 'pip install --no-cache-dir, npm cache clean --force, or RUN --mount=type=cache',
    pattern: /^(root|home\/[^/]+)\/(\.cache|\.npm|\.yarn|\.cargo\/registry|\.m2|\.gradle|go\/pkg\/mod\/cache)\/./,
  },
  {
    what: 'manuals and documentation',
    remedy: 'apt-get install --no-install-recommends with path-exclude=/usr/share/doc/* in /etc/dpkg/dpkg.cfg.d',
    pattern: /^usr\/(local\/)?share\/(doc|man|info|gtk-doc)\/./,
  },
  {
    what: 'translations',
    remedy: 'path-exclude=/usr/share/locale/* in /etc/dpkg/dpkg.cfg.d',
    pattern: /^usr\/share\/(locale|i18n\/locales)\/./,
  },
  {
    what: 'static libraries and headers',
    remedy: 'compile in a first stage and COPY --from the result',
    pattern: /^usr\/(local\/)?(include\/.|lib\/.*\.a$)/,
  },
  { what: 'compiled Python', remedy: 'ENV PYTHONDONTWRITEBYTECODE=1 while building', pattern: /(^|\/)__pycache__\/./ },
  { what: 'version control', remedy: 'name .git in .dockerignore', pattern: /(^|\/)\.git\/./ },
  { what: 'logs', remedy: 'remove them in the RUN that wrote them', pattern: /^var\/log\/./ },
  { what: 'temporary files', remedy: 'remove them in the RUN that made them', pattern: /^(var\/)?tmp\/./ },
];
