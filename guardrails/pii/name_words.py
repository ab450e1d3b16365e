# ruff: noqa: SIM905 - lists of words
"""Words that decide how a known value is looked for: those that are also words of the language, and those of no person.

Written for this project, from the given and family names common in Europe and the Americas.
"""

from __future__ import annotations

ORDINARY = frozenset(
    """
    able ace adler adore aim alba ale alegre allen alma alt amber amen ami amor an anchor angel anger apple april
    arc arch archer arena arm armour art ash aspen august aurora autumn avenue axel bacon baker ball bank banks bar
    barber baron barrow basil bass bates battle bauer bay beach bean bear beard beau beck becker bee bel bell bella
    belle bench bend benz berg berger berry best bianchi bianco bid bill birch bird bishop black blanc blanca
    blanche blanco blank blau blaze bless bleu bliss block blossom blue bob bois bold bolt bon bond bone bonne book
    boot booth boss bow bowl bowman box boy branco brand brandy braun brave bravo bread bridge bright brook brooks
    brother brown brun bruno brush buck bud bueno bull burger burn burns busch bush butcher butler butter cab cage
    calle camp campo campos can candy cane cannon cano canon cap car card carneiro caro carol carpenter carry carter
    casa case cash castle cat chance chandler chase chastity cherish cherry chip chuck church cielo claim clair
    claire clara claro clay clear clerk cliff cloud coelho coffee cold cole colt comfort con constant conti cook
    coral corona corto costa cotton count court cow cox craft crane crew croce cross crow cruz crystal dale dame dan
    dark dash dawn day days dean dear deer delgado dell dent desire destiny diamond dias dick dim dixie do dock
    dolly don dorm doux dove drake draw drew drum duke dusty eagle earl early east easter ebony echo edge elder elf
    else english ernest esperanza estrella eve even ever excel faith fall falls far faria farmer fashion favor fay
    feliz fern ferrari ferreira field fields fin finn fiore fir fire fischer fish fisher fix flag fleur flint flor
    flora flores flower floyd fly fontana foot forbes ford forest forester fork fort fortune fountain fowler fox
    franca franco frank free french friend frost fuchs fuente fuller gage gale galli gallo game garden gardener
    garland gatti gatto gem gene gentle german ginger gioia glad glass glen gold golden good goose grace grand
    grande grant grass grasso grave gray grazia greco green grey gris gros gross grove groß guerra gut guy hahn hail
    hale hall ham hand handy happy harmony harp harper hart haus haven hawk hay hazel head heart heath heather
    heaven helm hero herz hill hills hirsch hoch hof holiday hollow holly holmes home honest honey honor hood hook
    hope horn house hub hunt hunter hush ice iglesia in iris iron ivory ivy jack jade jane january jar jasmine
    jasper jay jet jeune jewel job joe john joie joker jolie jolly jour journey joy judge july june jung junior just
    justice kaiser kalt key kid kind king kings kitty klein klug knight koch konig kraft krause kreuz kurz könig lac
    lady lake lamb lance land lane lang lange large lark lassie last laurel lavender law lawn lay leaf leal lee
    legend leite lent leo leon leone less león liberty licht lieb light lilac lily lima lime linda link lion little
    lock lodge long longo lord lot lotus loup love lovely lover low luce luck lucky luna luz lyric mace machado
    maddox magic mai maid main major male mall man mane manly mar march mare marie marina marino mark marks mars
    marsh marshal marshall mason mass master mat matt max may mayo mayor meadow means meister melo melody mer mercer
    merchant mercy merit merry mid might mike miles mill miller mills min mine mink mint miracle miss mist mitt mix
    monti moon moor moore mora moral moreira moreno morgen morning moro moss moulin mountain myrtle müller nail neat
    neri nero neu neves new newton nick nieves night noble noir noon norte north nova noël nuit nunes nut oak oaks
    oasis ober ocean odd old olive or orange orchard oro pace page paige painter palm pan pansy paris parish park
    parks parson parsons past pat patience paul paz peace peach peak pear pearl penny pepper pereira perla perry pet
    peter petit phoenix piccolo pierce pierre pike pilar pine pink pino pinto piper pit place plain plum poet pole
    pond pool poor pope poppy port porte porter posh post potter pound power prado precious pretty price pride prim
    prince princess prior promise prudence pure purple queen quick quill quinn rain rainbow ram ramos ramp ran randy
    range ranger raven ray reader real rebel red reed reef reeves regal reich reine reis rest rex rey ribeiro ricci
    rice rich riches richter rico ride rider ridge ring rio rise risk river rivera rivers rizzo road rob robin rocha
    rock rocket rod rode rojo roman rook root rope rosa rose rosemary rossi rosso rosy rot rouge round roux rowan
    roy royal ruby rudder rue rule rum run rush russo rusty río sad saffron sage sailor sales salmon sam sand sandy
    santi santo santos sap sauer savage saw say scarlet schmidt schneider schnell schwarz schön scott scout sea seal
    season self senior serena serene sergeant serra set shade shadow sharp shaw sheep shell shepherd short sierra
    silva silver simple singer sir six skinner sky slate sly small smart smith snow soft sol sole soledad soleil
    sombra sommer song sonne sorrow sousa south spark sparks spear speed spencer spice spring square stag star stark
    steel stein stella stern steward still stock stolz stone storm stout strange straw street strong sue sugar
    summer summers sun sunday sunny sure swallow swan sweet swift sword sylvan tab tag tanner tar taylor teal ted
    temple temps tender terrace terry testa thorn thrift tide tiger tim timber time tin todd token tom ton tony
    torre tower towers town townsend trace tracy trade travis treasure tree trinity trip troop true truly trust tuck
    turner twig tyler und under unique unity urban vale valentine valle valley van vega verde vert victor victory
    vida vie view vigne ville vine viola violet virtue vista vita viva vogel vogt von wade wagner wait wald walk
    walker wall waller wang ward warden warm warner warren waters watt way weaver web webb weber weeks weiss weiß
    well wells werk west wheat wheeler white wild wilder will willow win wind winds wine wing winner winter winters
    wise wit wolf wonder wood woods word world worth wren wright wrong yale yard yates year york young zen zest
    zimmer ángel
    """.split()
)
"""In small letters. As a name one is found with a capital only: "May" is asked about, "may" is not."""

OF_NO_PERSON = frozenset(
    """
    & a ab admin ag air airlines airways american and anonymous as at auto bakery bank bar best big brothers bv by
    cafe café capital car cars center central centre cie city client clinic cloud club co college company consulting
    corp corporation council county customer das dem den department der des design die digital e e.v east el energy
    engineering enterprises et europe european ev fils finance financial first food foods for foundation gas gli
    global gmbh green group guest guild health healthcare hijos holding holdings home hospital hotel house il in inc
    industries info institute insurance international ist kft kg kk la laboratories labs las lda le les limited
    little llc llp lo logistics los ltd ltda main market markets mbh media ministry motors my n/a na national
    network networks new none north null nv of office oil old on online os other others our oy oyj partners pharmacy
    plc power pte pty pvt restaurant retail royal sa sales sarl sas school schools service services shop shops
    societe society société software solutions sons south sp spa srl state store stores studio studios supplies
    supply support systems söhne team tech technologies technology telecom test the their to tours trade trading
    travel trust ug um uma und union united university unknown user various ventures water west with works workshop
    world y your 公司 有限会社 有限公司 株式会社 集团 주식회사
    """.split()
)
"""A value with one of these names a company, a place or nobody: only the whole of it is looked for."""

PARTICLES = frozenset(
    """
    ab abd abu af al and ap av ben bin bint bsc capt col d da dame das de degli dei del della delle dem den der des
    dhr di dipl do don dos dott doña dr du e el esq et fitz fr frau fräulein gen herr hon i ibn ii iii ing iv jr l
    la lady le les lord lt m mac madame mag maj mba mc md mevr miss mlle mme monsieur mr mrs ms msc mx o of pan pani
    phd prof rev saint san sankt santa santo señor señora sgt sig sir sr sra srta st te ten ter the tot ul und van
    vom von y zu zum zur
    """.split()
)
"""Parts of names that tell of nobody."""
