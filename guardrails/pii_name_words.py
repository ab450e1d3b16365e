"""Words that decide how a known value is looked for: those that are also words of the language, and those of no person.

Written for this project, from the given and family names common in Europe and the Americas.
"""

from __future__ import annotations

ORDINARY = frozenset(
    """
    able ace adore aim alba ale allen alma amber amen an anchor angel anger apple april arc arch archer arm armour art ash aspen
    august aurora autumn avenue axel bacon baker ball bank banks bar barber baron barrow basil bass bates battle bay beach bean
    bear beard beck bee bell belle bench bend benz berg berry best beau bid bill bird birch bishop black blank blaze bless bliss
    block blossom blue bob bold bolt bond bone book boot booth boss bow bowl bowman box boy brand brandy brave bread bridge bright
    brook brooks brother brown brush buck bud bull burger burn burns bush butcher butler butter cab cage camp can candy cane cannon
    canon cap car card carol carpenter carry carter case cash castle cat chance chandler chase chastity cherry chip chuck church
    claim clay clear clerk cliff cloud coffee cold cole colt comfort con constant cook coral cotton count court cow cox craft crane
    crew cross crow crystal cherish dale dan dark dash dawn day days dean dear deer dell desire destiny diamond dick dim dixie do
    dock dolly don dorm dove drake draw drew drum duke dusty early earl east easter ebony echo edge eagle elder elf else english
    ernest even ever eve excel faith fall falls far farmer fashion favor fay fern field fields fin finn fir fire fish fisher fix
    flag flint flora flower floyd fly foot forbes ford forest forester fork fort fortune fountain fowler fox frank free french
    friend frost fuller gage gale game garden gardener garland gene gentle gem german ginger glad glass glen gold golden good
    goose grace grand grant grass grave gray green grey grove guy hail hale hall ham hand handy happy harmony harp harper hart
    haven hawk hay hazel head heart heath heather heaven helm hero hill hills holiday hollow holly holmes home honest honey honor
    hood hook hope horn house hub hunt hunter hush ice in iris iron ivory ivy jack jade jane january jar jasmine jasper jay jet jewel
    job joe john joker jolly journey joy judge july june junior just justice key kid kind king kings kitty knight lady lake lamb
    lance land lane large lark lassie last laurel lavender law lawn lay leaf lee legend lent leo less liberty light lilac lily lime
    link lion little lock lodge long lord lot lotus love lovely lover low luck lucky lyric mace maddox magic mai maid main major
    male mall man mane manly march mare marina mark marks marsh marshal marshall mars mason mass master mat matt max may mayor
    meadow means melody mercer merchant mercy merit merry mid might mike miles mill miller mills min mine mink mint miracle miss mist
    mitt mix moon moor moore moral morning moss mountain myrtle nail neat new newton nick night noble noon north nova nut oak oaks
    oasis ocean odd old olive or orange orchard page paige painter palm pan pansy paris park parks parish parson parsons past pat
    patience paul peace peach peak pear pearl penny pepper perry pet peter phoenix pierce pike pine pink piper pit place plain plum
    poet pole pond pool poor pope poppy port porter posh post potter pound power precious pretty price pride prim prince princess
    prior promise prudence pure purple queen quick quill quinn rain rainbow ram ramp ran randy range ranger raven ray reader real
    rebel red reed reef reeves regal rest rex rice rich riches ride rider ridge ring rise risk river rivers road rob robin rock
    rocket rod rode roman rook root rope rose rosemary rosy round rowan royal ruby rudder rue rule rum run rush rush rusty sad saffron
    sage sailor salmon sam sand sandy sap savage saw say scarlet scott scout sea seal season self senior serene sergeant set shade
    shadow sharp shaw sheep shell shepherd short sierra silver simple singer sir six skinner sky slate sly small smart smith snow sole
    soft song sorrow south spark sparks spear speed spencer spice spring square stag star stark steel stern steward still stock
    stone storm stout strange straw street strong sue sugar summer summers sun sunday sunny sure swallow swan sweet swift sword
    sylvan tab tanner tar taylor teal ted temple tender terrace terry thorn thrift tide tiger tim time timber tin todd token tom ton
    tony tower towers town townsend trace tracy trade travis treasure tree trinity trip troop true truly trust tuck turner twig
    tyler under unique unity urban vale valentine valley van victor victory view vine violet virtue vista viva wade wait walk walker
    wall waller wang ward warden warm warner warren waters watt way weaver web webb weeks well wells west wheat wheeler white wild
    wilder will willow win wind winds wine wing winner winter winters wise wit wolf wonder wood woods word world worth wright wren
    wrong yale yard yates year york young zen zest
    adler alt bauer becker berger blau braun busch fischer fuchs gross groß gut hahn hart haus herz hirsch hoch hof jung kaiser
    kalt klein klug koch konig könig kraft krause kreuz kurz lang lange licht lieb mai meister morgen müller neu ober reich richter
    rot sauer schmidt schneider schön schnell schwarz sommer sonne stark stein stern still stolz tag und vogel vogt von wald wagner
    weber weiß weiss werk winter wolf zimmer
    ami bel belle blanc blanche bois bon bonne bleu brun clair claire court dame dent doux fleur fort grand gris gros jeune joie
    jolie jour lac long loup mai marie mer moulin noël noir nuit or petit pierre porte prince reine rose rouge roux roy soleil
    temps vert vie vigne ville
    alba alegre alma amor ángel arena blanca blanco bravo bueno calle campo cano casa cielo clara claro corona corto cruz delgado
    esperanza estrella feliz flor flores fuente gallo grande guerra iglesia leal león leon linda luna luz mar mayo mora moreno nieves
    norte oro paz perla pilar pino prado real rey rico río rio rivera rojo rosa santo serena sol soledad sombra torre vega verde
    vida viola
    bella bianchi bianco bruno caro conti costa croce ferrari fiore fontana franco galli gatti gatto gioia greco grasso grazia leone
    longo luce mare marino monti moro nero neri pace piccolo ricci rizzo rossi rosso russo santi serra sole stella testa valle vita
    branco campos carneiro coelho costa cruz dias faria ferreira franca leite lima machado melo moreira neves nunes pereira pinto
    ramos reis ribeiro rocha sales santos serra silva sousa
    """.split()
)
"""In small letters. As a name one is found with a capital only: "May" is asked about, "may" is not."""

OF_NO_PERSON = frozenset(
    """
    the a and & of for to in at on by with your our my their
    ab ag as bank bakery bar bv café cafe capital center centre central clinic club co college company consulting corp corporation
    council department design digital e.v ev energy engineering enterprises europe finance financial foods foundation gmbh global
    group guild health healthcare holding holdings home hospital hotel house inc industries institute insurance international ist
    kg kft kk labs laboratories lda limited llc llp logistics ltd ltda market markets media ministry motors mbh network networks nv
    office oy oyj partners pharmacy plc pte pty pvt restaurant retail sa sarl sas school schools service services shop shops societe
    société society software solutions sp spa srl store stores studio studios supplies supply systems team tech technologies
    technology telecom trade trading trust university union ventures workshop works world ug und et cie y e hijos fils söhne sons
    brothers cloud online city county state north south east west main new old big little best first national united american
    european royal water air green power home gas oil food auto car cars travel tours airways airlines
    unknown none null n/a na test customer client user admin guest support sales info anonymous various other others
    der die das dem den des le la les el los las il lo gli os um uma
    株式会社 有限会社 公司 有限公司 集团 주식회사
    """.split()
)
"""A value with one of these names a company, a place or nobody: only the whole of it is looked for."""

PARTICLES = frozenset(
    """
    van von der den dem de del della delle dei degli di da do dos das du des la le les el al ul ibn bin bint ben ab ap abu abd ter ten
    te tot zu zum zur vom af av st san santa santo sankt saint mac mc fitz o d l y e i und and et of the
    mr mrs ms miss mx dr prof sir dame lord lady herr frau fräulein monsieur madame mme mlle m sr sra srta señor señora don doña dott
    sig sra dhr mevr pan pani ing dipl mag rev fr hon capt col gen lt sgt maj jr sr ii iii iv phd md mba bsc msc esq
    """.split()
)
"""Parts of names that tell of nobody."""
