const words = (text: string): readonly string[] => text.split(/\s+/).filter(word => word !== '');

export const ADJECTIVES = words(`
  able agile alert amber ample apt astute atomic balmy bold brave breezy bright brisk bubbly buoyant calm candid careful
  cheery chief civil clear clever coastal composed cosmic cosy crafty crisp curious daring dapper decent deft diligent
  direct dreamy eager early earnest easy electric elegant exact fair famous fancy fearless fine fit fleet flying fond
  frank free fresh friendly frosty gentle giddy gifted glad gleaming golden good grand grateful happy hardy hearty helpful
  honest hopeful humble ideal jolly jovial joyful keen kind large late lawful lively loyal lucid lucky lunar magic mellow
  merry mighty mild modest musing neat nimble noble notable novel open patient placid plain playful polite proud prudent
  quick quiet radiant rapid ready real robust rosy round sage sharp shiny silent silver simple sleek smart smooth snug
  sober solid spry stable steady stellar still stout sturdy sunny sure swift tall tender thankful thrifty tidy tough trim
  true trusty upbeat urban valiant vast velvet vivid warm wavy wise witty worthy young zealous zesty
`);

/** Engineers, scientists, sailors and builders. */
export const SURNAMES = words(`
  aalto abel airy alhazen alvarez ampere anning archer arkwright armstrong avogadro babbage backus banneker bardeen barton
  bazalgette bell bernoulli bessemer bly boole bohr bose boulton bowditch boyle braille brahe bramah brunel burnell cai
  calatrava candela carnot cartwright cassini cauchy cavendish chandra chebyshev clarke coulomb crane curie dantzig darby
  darwin davy dijkstra dirac drake duvalier earhart eckert edgerton eiffel elion ellet engelbart euler ewing faraday
  farnsworth fermi feynman fibonacci fleming forster foucault fourier franklin fresnel fuller fulton galileo galois galton
  gauss germain gibbs gilbreth goddard goodall gray hadid hadley halley hamilton harrison heaviside heron herschel hertz
  hooke hopper huygens hypatia jacquard jansky jenner johnson joule julian kapany kelvin kepler khayyam knuth kovalevsky
  lagrange lamarr landau lavoisier leavitt leibniz lovelace lyell magellan marconi markov maury maxwell mcadam meitner
  mendel mercator mitchell monge morse naismith nansen napier nasmyth navier nightingale nobel noether ohm oresme otto papin
  pascal pasteur peary perkin planck poisson priestley ptolemy pythagoras ramanujan ramsay rennie ride riemann roebling
  rumford rutherford sagan savery schrodinger shackleton shannon siemens smeaton snow somerville stephenson stevin stokes
  strutt swan tarjan telford tesla thales torricelli trevithick tsiolkovsky turing vitruvius volta wallace watt wegener
  wheatstone whitney whittle wilkinson wren wright wu yalow zuse
`);
